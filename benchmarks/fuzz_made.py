"""Files that nobody would write: made of what files of a format are made of, then damaged.

Input ``number`` of a format is always the same bytes, so that a crash is told by two words and a
run goes on where another stopped.
"""

import functools
import gzip
import io
import json
import random
import zipfile
from contextlib import suppress

# What breaks readers: control characters, halves of characters, what means something elsewhere.
NASTY = (
    *("", " ", "\0", "\x1a", "\x85", "\u2028", "\ufeff", "\u202e", "\ud800", "\udfff", "\r", "\n"),
    *("a\nb", "a\r\nb", '"', '""', "'", "\\", "\\u0000", ",", ";", "\t", "|", "#", "#~", "[", "]"),
    *("{", "}", "null", "true", "NaN", "1e999", "-0", "9" * 5000, "=1+1", "@SUM(1)", "+1", "-1"),
    *("<script>", "&amp;", "&xxe;", "../../etc/passwd", "C:\\con", "%00", "B-PER", "I-PER", "O"),
    *("wo", "yes", "Jàmm rekk", "𞤀𞤣𞤤𞤢𞤥", "لغة", "e\u0301" * 40, "a" * 3000, "_", "1-2", "1.1"),
)
COLUMNS = ("text", "language", "licence", "id", "label", "split", "group", "meta.x", "spans", "nil")
FILES = (
    "data/train.csv",
    "wo/test.jsonl",
    "a/train-00000-of-00001.parquet",
    "a/wo/dev.csv",
    "b.csv",
)
BYTES = (
    *(b"\0", b"\xff", b"\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b'"', b"\n"),
    *(b"\r", b"\t", b"\\", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\xef\xbb\xbf", b"PAR1"),
    *(b"PK\x03\x04", b"\x1f\x8b", b"[" * 300, b"{" * 300, b'{"a":' * 200, b"\x7f" * 8),
)


def made(kind: str, number: int) -> bytes:
    """The input of that number."""
    rng = random.Random(f"{kind}:{number}")
    whole = WRITERS.get(kind, _lines)(rng)
    return whole if rng.random() < 0.25 else damaged(whole, rng)


def damaged(whole: bytes, rng: random.Random) -> bytes:
    """Some bytes turned, taken out, said twice, put in, or everything after them gone."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.choice((1, 2, 8, 64)))
        match rng.randrange(6):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1:
                del data[at:to]
            case 2:
                data[at:at] = data[at:to] * rng.choice((1, 2, 50))
            case 3:
                data[at:at] = rng.choice(BYTES)
            case 4:
                data[at:to] = rng.randbytes(to - at)
            case _ if rng.random() < 0.2:
                del data[at:]
    return bytes(data)


def _word(rng: random.Random) -> str:
    return "".join(rng.choice(NASTY) for _ in range(rng.choice((1, 1, 1, 2, 3))))


def _bytes(text: str, rng: random.Random) -> bytes:
    code = rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"))
    return text.encode(code, "surrogatepass")


def _table(rng: random.Random, between: str) -> bytes:
    names = ["text", "language", "licence", *rng.sample(COLUMNS, rng.randrange(4))]
    rng.shuffle(names)
    rows = [list(dict.fromkeys(names))] + [
        [_cell(rng, between) for _ in range(len(set(names)) + rng.choice((0, 0, 0, 1, -1)))]
        for _ in range(rng.randrange(6))
    ]
    return _bytes(rng.choice(("\n", "\r\n", "\r")).join(between.join(row) for row in rows), rng)


def _cell(rng: random.Random, between: str) -> str:
    word = _word(rng)
    quote = rng.random() < 0.5 or between in word
    return '"' + word.replace('"', '""') + '"' if quote else word


def _value(rng: random.Random, depth: int = 0) -> object:
    some = (_word(rng), rng.random(), 10 ** rng.randrange(400), None, True, float("nan"), -(2**70))
    if depth > 2 or rng.random() < 0.7:
        return rng.choice(some)
    if rng.random() < 0.5:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {_word(rng): _value(rng, depth + 1) for _ in range(rng.randrange(4))}


def _object(rng: random.Random) -> dict[str, object]:
    columns = ["text", *rng.sample(COLUMNS, rng.randrange(5)), "meta"]
    return {name: _value(rng) for name in columns} | {"text": _word(rng), "language": "wo"}


def _lines(rng: random.Random) -> bytes:
    rows = (
        json.dumps(_object(rng), ensure_ascii=rng.random() < 0.5) for _ in range(rng.randrange(5))
    )
    return _bytes("\n".join(rows), rng)


def _list(rng: random.Random) -> bytes:
    tasks = [_task(rng) if rng.random() < 0.5 else _object(rng) for _ in range(rng.randrange(4))]
    return _bytes(json.dumps(tasks, ensure_ascii=rng.random() < 0.5), rng)


def _task(rng: random.Random) -> dict[str, object]:
    """As Label Studio exports it."""
    marks = {"start": rng.randrange(-2, 9), "end": rng.randrange(9), "labels": [_word(rng)]}
    value = rng.choice(({"choices": ["yes"]}, marks, {"choices": _value(rng)}, _value(rng)))
    said = {"result": [{"value": value, "type": "choices"}], "ground_truth": rng.random() < 0.8}
    return {"id": _value(rng), "data": _object(rng), "annotations": [said, _value(rng)]}


def _catalogue(rng: random.Random) -> bytes:
    head = 'msgid ""\nmsgstr "Language: wo\\nContent-Type: text/plain; charset=UTF-8\\n"\n\n'
    parts = ["msgid", "msgstr", "msgctxt", "msgid_plural", "msgstr[0]", "msgstr[1]", "msgstr[9]"]
    rows = [
        rng.choice(("", "#, fuzzy\n", "#~ ", "# ", "#| "))
        + f"{rng.choice(parts)} {json.dumps(_word(rng), ensure_ascii=False)}"
        for _ in range(rng.randrange(9))
    ]
    return _bytes((head if rng.random() < 0.7 else "") + "\n".join(rows), rng)


def _tagged(rng: random.Random, width: int) -> bytes:
    rows = []
    for number in range(rng.randrange(9)):
        cells = [rng.choice(("_", "O", "B-PER", "I-PER", _word(rng))) for _ in range(width)]
        place = rng.choice((str(number + 1), f"{number}-{number + 2}", f"{number}.1", _word(rng)))
        cells[0] = place if width == 10 else _word(rng)
        rows += ["\t".join(cells), *([""] if rng.random() < 0.3 else [])]
    comment = rng.choice(("", "# text = Awa si\n", "# sent_id = " + _word(rng) + "\n", "# a\n"))
    return _bytes(comment + "\n".join(rows) + rng.choice(("", "\n", "\n\n")), rng)


@functools.lru_cache(maxsize=64)
def _parquets(number: int) -> bytes:
    """One of some sound files; to write each anew would take longer than to read it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = random.Random(number)
    words = [_word(rng).encode("utf-8", "replace").decode() for _ in range(rng.randrange(1, 6))]
    columns = {"text": words, "language": ["wo"] * len(words), "licence": words}
    nested = {"meta": [{"a": one, "b": [1]} for one in words]} if number % 2 else {}
    file = io.BytesIO()
    packed = rng.choice(("none", "snappy", "gzip", "zstd"))
    pq.write_table(pa.table(columns | nested), file, compression=packed)
    return file.getvalue()


def _archive(rng: random.Random) -> bytes:
    """What is no text at all, under a name that says it is."""
    file, inside = io.BytesIO(), _table(rng, ",") * rng.choice((1, 50))
    if rng.random() < 0.5:
        return gzip.compress(inside)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(rng.choice(("../../a.csv", "a.csv", "/etc/passwd")), inside)
    return file.getvalue()


def _folder(rng: random.Random) -> bytes:
    """A ZIP of a folder of data sets: names that lead anywhere, and a header that says anything."""
    whole = io.BytesIO()
    ways = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
    plain = rng.random() < 0.5
    with zipfile.ZipFile(whole, "w", rng.choice(ways)) as archive:
        if rng.random() < 0.6:
            home = rng.choice(("", "", "data/", "./"))
            header = _header(rng).encode("utf-8", "surrogatepass")
            archive.writestr(zipfile.ZipInfo(f"{home}README.md"), header)
        for _ in range(rng.randrange(6)):
            entry = zipfile.ZipInfo(rng.choice(FILES) if plain else _name(rng))
            # Some say that they are links, folders or devices.
            entry.external_attr = rng.choice((0, 0, 0o120777, 0o040755, 0o060644)) << 16
            entry.extra = rng.choice(
                (b"", b"", b"\x01\0\x08\0" + rng.randbytes(8), b"up\x05\0\x01")
            )
            with suppress(UnicodeError):
                archive.writestr(entry, _bytes(_word(rng), rng))
    return whole.getvalue()


def _name(rng: random.Random) -> str:
    parts = (
        "data",
        "train",
        "wo",
        "..",
        ".",
        "",
        "a" * 300,
        "test-00000-of-00001",
        "__MACOSX",
        "a\\b",
    )
    ends = (".csv", ".jsonl", ".parquet", ".csv.gz", "", ".md", ".zip", "/")
    name = "/".join(rng.choice(parts) for _ in range(rng.randrange(1, 5)))
    return name + rng.choice((rng.choice(NASTY)[:200], "")) + rng.choice(ends)


def _header(rng: random.Random) -> str:
    """What YAML can say of files: patterns, anchors within anchors, tags that would make objects."""
    paths = (
        *FILES,
        "**",
        "*",
        "data/**/*.csv",
        "../*",
        "/etc/*",
        "[",
        "https://x/y.csv",
        "?" * 40,
        "*/" * 9,
    )
    files: object = rng.choice((_value(rng), [{"split": _value(rng), "path": rng.choice(paths)}]))
    files = rng.choice((files, rng.choice(paths), [rng.choice(paths)] * rng.choice((2, 600))))
    configs = [{"config_name": rng.choice(("wo", _word(rng))), "data_files": files}]
    told = json.dumps({"configs": rng.choice((configs, _value(rng)))}, ensure_ascii=False)
    laughs = "a: &a [x, x]\n" + "".join(f"{n}: &b{n} [*a, *a]\n" for n in range(9))
    odd = (
        laughs,
        "configs: !!python/object/apply:os.system [id]\n",
        "configs: *none\n",
        "? [\n",
        "[" * 400,
    )
    return f"---\n{rng.choice((told, told, told, rng.choice(odd), _word(rng)))}\n---\n{_word(rng)}"


WRITERS = {
    "csv": lambda rng: _table(rng, rng.choice((",", ",", ";"))),
    "tsv": lambda rng: _table(rng, "\t"),
    "jsonl": _lines,
    "json": _list,
    "parquet": lambda rng: _parquets(rng.randrange(64)),
    "po": _catalogue,
    "catalogue": _catalogue,
    "conllu": lambda rng: _tagged(rng, 10),
    "iob2": lambda rng: _tagged(rng, rng.choice((2, 3, 4))),
    "archive": _archive,
    "folder": _folder,
}
