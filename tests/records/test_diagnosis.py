"""What content is that is not what it was taken for: what was found, what it is, what helps."""

import bz2
import gzip
import io
import lzma
import zipfile

import pytest

from orders_records import MediaType
from tests.records.reading import read_alike

ROWS = "id,amount\r\nA-1,12.30\r\nA-2,1.00\r\n"


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "found", "is_", "helps"),
    [
        ("id;amount\r\nA-1;12,30\r\n", "id;amount", "separated by semicolons", "by commas"),
        ('"id";"amount"\n"A-1";"12,30"\n', '"id";"amount"', "separated by semicolons", "12.30"),
        ("A-1;12,30\r\n", "A-1;12,30", "separated by semicolons", "by commas"),
        ("id;amount;note\n", "id;amount;note", "separated by semicolons", "by commas"),
        ("id\tamount\nA-1\t1\n", r"id\tamount", "separated by tabs", "by commas"),
        ("id|amount\nA-1|1\n", "id|amount", "separated by vertical bars", "by commas"),
        ("id:amount\nA-1:1\n", "id:amount", 'separated by ":"', "by commas"),
        ("id amount\nA-1 1\n", "id amount", 'separated by " "', "by commas"),
        ('"ID" ^ "Amount"\n', '"ID" ^ "Amount"', 'separated by "^"', "by commas"),
        ("id\u3001amount\n", "id\u3001amount", 'separated by "\u3001"', "by commas"),
        ("id,amount\rA-1,12.30\r", r"id,amount\rA-1,12.30", "end with CR alone", r"tr '\r' '\n'"),
        ("id,amount\rA-1,12.30\r\n", r"id,amount\rA-1,12.30", "end with CR alone", "CRLF"),
        ("sep=,\r\nid,amount\r\n", "sep=,", "only Excel understands", "delete it"),
        ("sep=;\r\nid;amount\r\n", "sep=;", "only Excel understands", "delete it"),
        ("SEP=;\n", "SEP=;", "only Excel understands", "delete it"),
        ('"sep=,"\r\nid,amount\r\n', '"sep=,"', "only Excel understands", "delete it"),
        ("\ufeff", "", "the content is empty", "is empty"),
        ("", "", "the content is empty", "is empty"),
        ("ID,Amount\nA,1\n", "ID,Amount", "write the names", "in lower case"),
        ("id,AMOUNT\nA,1\n", "id,AMOUNT", "write the names", "in lower case"),
        (" id, amount\nA,1\n", " id, amount", "write the names", "without spaces"),
        ("Id , Amount\n", "Id , Amount", "in lower case", "without spaces"),
        ("'id','amount'\n", "'id','amount'", "write the names", "without quotes"),
        ("\u201cid\u201d,amount\n", "\u201cid\u201d,amount", "write the names", "without quotes"),
        ("\ufeff\ufeffid,amount\n", r"\ufeffid,amount", "write the names", "without invisible"),
        ("id\u200b,amount\n", r"id\u200b,amount", "write the names", "without invisible"),
        ("amount,id\n1,A\n", "amount,id", "in another order", "put them as id,amount"),
        ("Amount, ID\n", "Amount, ID", "in another order", "put them as id,amount"),
        ("id,amount,note\n", "id,amount,note", 'more columns ("note")', "keep only id and amount"),
        ("no,id,amount\n", "no,id,amount", 'more columns ("no")', "in this order"),
        ("id,amount,\n", "id,amount,", 'more columns ("")', "keep only id and amount"),
        ("id,amount,id\n", "id,amount,id", "more columns (a duplicate)", "keep only id and amount"),
        ("id\nA\n", "id", "there is no column amount", "name the columns id and amount"),
        ("order,amount\nA,1\n", "order,amount", "there is no column id", "name the columns"),
        ("no,total\n", "no,total", "no column id and no column amount", "name the columns"),
        ("A-1,12.30\nA-2,1\n", "A-1,12.30", "looks like an order", "put the header, id,amount"),
        ('"A-1","12.30"\n', '"A-1","12.30"', "looks like an order", "put the header"),
        ("A-1,12,30\n", "A-1,12,30", "looks like an order", "put the header"),
        ("\nid,amount\n", "", "the line is empty", "delete the empty lines"),
        ("\r\nid,amount\r\n", "", "the line is empty", "delete the empty lines"),
        (" \nid,amount\n", " ", "the line is empty", "delete the empty lines"),
        ('[{"id":"A-1","amount":1}]', '[{"id":"A-1","amount":1}]', "a JSON array", "not CSV"),
        ('{"id":"A-1","amount":1}\n', '{"id":"A-1","amount":1}', "that is JSON", "not CSV"),
        ("<!doctype html>\n<title>Log in</title>", "<!doctype html>", "HTML or XML", "a login"),
        ('<?xml version="1.0"?>', '<?xml version="1.0"?>', "HTML or XML", "error page"),
        ("x" * 500 + "\n", "x" * 60 + "...", "there is no column id", "name the columns"),
    ],
)
def test_a_wrong_header_is_quoted_and_explained_with_a_remedy(
    content: str,
    found: str,
    is_: str,
    helps: str,
) -> None:
    result = read_alike(content.encode(), MediaType.CSV, whole=False)
    assert result.wrong is not None
    beginning = f'the first line of CSV must be id,amount; found "{found}": '
    assert result.wrong.startswith(beginning)
    assert is_ in result.wrong
    assert helps in result.wrong
    assert (result.in_order, result.refused) == ([], [])


def test_a_wrong_header_is_quoted_without_control_characters() -> None:
    result = read_alike(b"\x1b[31mid\x00,\xffamount\x7f\n", MediaType.CSV)
    assert result.wrong is not None
    assert r'found "\x1b[31mid\x00,\xffamount\x7f"' in result.wrong
    assert result.wrong.isprintable()


@pytest.mark.parametrize("media_type", MediaType)
@pytest.mark.parametrize(
    ("content", "is_"),
    [
        (ROWS.encode("utf-16"), "in UTF-16, not UTF-8"),
        (b"\xfe\xff" + ROWS.encode("utf-16-be"), "in UTF-16, not UTF-8"),
        (ROWS.encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8"),
        (ROWS.encode("utf-16-be"), "iconv -f UTF-16BE -t UTF-8"),
        (ROWS.encode("utf-32"), "in UTF-32, not UTF-8"),
        (b"\x00\x00\xfe\xff" + ROWS.encode("utf-32-be"), "in UTF-32, not UTF-8"),
        (ROWS.encode("utf-32-le"), "iconv -f UTF-32LE -t UTF-8"),
        (ROWS.encode("utf-32-be"), "iconv -f UTF-32BE -t UTF-8"),
        (gzip.compress(ROWS.encode(), mtime=0), "compressed (gzip): decompress it first"),
        (bz2.compress(ROWS.encode()), "compressed (bzip2): decompress it first"),
        (lzma.compress(ROWS.encode()), "compressed (xz): decompress it first"),
        (b"\x28\xb5\x2f\xfd\x24", "compressed (zstd): decompress it first"),
        (workbook(), "as .xlsx and .ods are: save it as CSV in UTF-8"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old .xls workbook"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"SQLite format 3\x00", "a SQLite database"),
    ],
    ids=range(16),
)
def test_content_that_is_not_text_is_explained_with_a_remedy(
    media_type: MediaType,
    content: bytes,
    is_: str,
) -> None:
    result = read_alike(content, media_type, whole=False)
    assert result.wrong is not None
    assert result.wrong.startswith("the content is ")
    assert is_ in result.wrong


@pytest.mark.parametrize("header", ["id,amount", '"id","amount"', '"id",amount', "\ufeffid,amount"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_header_may_have_quotes_a_byte_order_mark_and_either_line_end(
    header: str, end: str
) -> None:
    result = read_alike(f"{header}{end}A-1,1{end}".encode(), MediaType.CSV, whole=False)
    assert (result.wrong, result.refused, list(result.orders)) == (None, [], [2])
