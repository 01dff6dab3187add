"""Tab-separated tables beside the tests that read them."""


def read(path, columns):
    """The rows as lists; lines that are empty or begin with # are none."""
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            fields = line.split("\t")
            if len(fields) != columns:
                raise SystemExit(f"Bail out! {path}:{number}: {len(fields)} "
                                 f"columns, not {columns}")
            yield fields
