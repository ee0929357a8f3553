"""All benchmarks of the probes, one after the other, each beside its peer in one run.

    python benchmarks/all_probes.py            # an idle machine, most of an hour
    python benchmarks/all_probes.py --quick    # some minutes, smaller

The linear probe and the ridge screen beside scikit-learn, nearest neighbours beside faiss (where it
is installed), CKA and mutual kNN of twelve layers by twelve beside what is usually done, a map of
10,000 points beside umap-learn as it comes. Each part is a script of its own and a process of its
own, so that none inherits the other's threads or memory. (A script named `probes.py` would hide the
package of that name from its neighbours.)
"""

import argparse
import subprocess
import sys
from pathlib import Path

QUICK: dict[str, list[str]] = {
    "linear_probe": ["--quick"],
    "knn": ["--repeats", "1"],
    "comparison": ["--quick"],
    "maps": ["--quick"],
}
"""The parts, and what makes each of them quick."""


def main() -> None:
    """Run the parts; end with the first that fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller and less often")
    parser.add_argument("--only", choices=list(QUICK), help="one part")
    chosen = parser.parse_args()
    for part in [chosen.only] if chosen.only else QUICK:
        print(f"\n== {part}", flush=True)
        script = Path(__file__).with_name(f"{part}.py")
        subprocess.run(
            [sys.executable, str(script), *(QUICK[part] if chosen.quick else [])], check=True
        )


if __name__ == "__main__":
    main()
