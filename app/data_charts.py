"""The figure of a data folder: how its labels are spread over the splits."""

import pandas as pd
import plotly.graph_objects as go

from app.charts import OKABE_ITO

SPLIT_COLOURS = {"train": OKABE_ITO[4], "val": OKABE_ITO[1], "test": OKABE_ITO[3]}
PATTERNS = {"train": "", "val": "/", "test": "."}
MOST_LABELS = 20


def split_bars(table: pd.DataFrame) -> go.Figure:
    """Draw the rows of each label as a bar that is parted into splits.

    Args:
        table: of `Looked.splits_by_label`, its sums in the last row.
    """
    labels = table.iloc[:-1].head(MOST_LABELS)
    figure = go.Figure()
    for split, colour in SPLIT_COLOURS.items():
        if split in labels:
            figure.add_trace(
                go.Bar(
                    x=labels[split],
                    y=labels["label"].astype(str),
                    name=split,
                    orientation="h",
                    marker={"color": colour, "pattern": {"shape": PATTERNS[split]}},
                    hovertemplate=f"%{{y}}, {split}: %{{x}} rows<extra></extra>",
                )
            )
    return figure.update_layout(
        barmode="stack",
        height=90 + 22 * len(labels),
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": "rows"},
        yaxis={"autorange": "reversed", "automargin": True, "type": "category"},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "traceorder": "normal"},
    )
