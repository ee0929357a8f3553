"""Names of class numbers, as Hugging Face data sets write them into a Parquet file's schema."""

import json

import pyarrow as pa


def class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Return the names of the classes of each column that has any, in the order of the numbers.

    Source: `datasets` writes its features as JSON under the key `huggingface` of the schema.
    """
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(raw)["info"]["features"] if raw else {}
        return {
            name: [_plain(label) for label in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict)
            and feature.get("_type") == "ClassLabel"
            and isinstance(feature["names"], list)
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # no such convention: numbers stay


def _plain(label: object) -> str:
    """Return a name that can be written down: JSON may hold half of a character."""
    return str(label).encode("utf-8", "replace").decode()
