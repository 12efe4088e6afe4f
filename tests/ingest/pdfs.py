"""Small PDFs for the tests: good ones by fpdf2, hostile ones by hand."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Sequence

from fpdf import FPDF
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import RectangleObject

_LOCKED_BY_AES = (
    "c-oCrJ8x7+6fV+@B2nUkVuWN-C3jwD=8m*-0DD)U1ljRo6e*%O^RhRx_gZ(aEucebBBe=%5KU@|RQVMY2~x-(018@^CQXW*yStc`Hbv&%V&=>@-}%mCW^-?6"
    "^qKrzv&}beU%q0J3*Ln9*kHh_yAMw@uePzn<K~c6dw7^<ToGWOZEdkUO+8Sp9hl=-_2neZ__tj5cz&N%+s)au<8tMw{?DVmqc#(C;i<Zl(*$oe4~R?92OfBB"
    ")Pix^5pc%M0=b`O%~=~sWY0LF-Ni(5_#k@mFa4Vp|6k?lVRyu>>Gx+{oAHFbxcb+|d-&<MPq**?`OoOp>+k<Q|KjT(!jqprd3WvP?ZNYxS4O}7a^>zfKR!7!"
    "r`Ioc*VEwlXP2ICJZ^SwJ>PioNAG7zwe$#U5%(%tH9ia7eAyc%t8U^f&-GWg^6`1@CJ|S3+ZC3394K&ZFCtJt^F3~qH{Lqs6(wMD+~t;6;|`|@+r+9}K1fi@"
    "AZsnqs+xcj1=3$fpAk)xMTgpYpR^0bn&gX4GDVvOnyib-E~4~0)=B$X01_|-$T6oHg-QapSarY$#t4fsy3ms+FJ*DXn}{G176~qaOs>>g1Cb^TR$wWzWDB*Z"
    "6)K}G2oFkG;uP74NKxq|yhW9QkmO~1G_UfwOUv1fv+ihk-gi*7)5P7=Jncbucy(hqzNaq|rPZ<<=;+CaF9`ZY`*E>5<O3Zt8kvk!(fKTrk(M+g1>rTKM;clp"
    "f+X?MC`uf7TYD1fMM2w3JRlk`Y$_SS*%TyDl_1-wQr4*!vPcO&$OtHHsfF>V4J0oTWT&;YK^vmk%k2sEc5u-LuvUR`CC3oKI$69k&eW8>xZ2_m+FY36j){xG"
    "Er14I_=QbUTh4c;A8ppG*`(5IHU)CcMkQOb8NFibTAUo`cHY0^$)im2s{N*+$6;}gZ|~4u9~kLe9keteC?!frh8j|Z6ugBPeA@ay5PBts)7U;d?YRB$2FyBa"
    "yLn=$LTqz$xI1G10ud`;Lj"
)
PAGE = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>"
_FONT = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def pages_of_text(*pages: list[tuple[float, float, str]]) -> bytes:
    """A4 pages (595 x 842 points) with lines at (x, y) points from the top left."""
    pdf = FPDF(unit="pt", format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_font("Helvetica", size=12)
    for lines in pages:
        pdf.add_page()
        for x, y, line in lines:
            pdf.text(x, y, line)
    return bytes(pdf.output())


def scan(*, invisible_text: str = "") -> bytes:
    """One page that is a picture, perhaps with a text layer that nobody sees."""
    pdf = FPDF(unit="pt", format="A4")
    pdf.set_auto_page_break(False)
    pdf.add_page()
    pdf.image(Image.new("L", (200, 280), 230), x=0, y=0, w=595, h=842)
    if invisible_text:
        pdf.set_font("Helvetica", size=12)
        with pdf.local_context(text_mode=3):
            pdf.text(72, 100, invisible_text)
    return bytes(pdf.output())


def rotated(content: bytes, degrees: int) -> bytes:
    """The same PDF with each page's /Rotate set."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    for page in writer.pages:
        page.rotate(degrees)
    return _written(writer)


def cropped(content: bytes, left: float, bottom: float, right: float, top: float) -> bytes:
    """The same PDF with each page's crop box set, in points from the bottom left."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    for page in writer.pages:
        page.cropbox = RectangleObject((left, bottom, right, top))
    return _written(writer)


def encrypted(content: bytes, password: str = "secret") -> bytes:
    """Opens with the password; with "" it opens by itself and only its owner may change it."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.encrypt(password, owner_password="the owner's", algorithm="RC4-128")
    return _written(writer)


def encrypted_by_aes() -> bytes:
    """One page that says hello, locked with AES of 256 bits and "Schlüssel 7"; made by pypdf with a library that the tests do without."""
    return zlib.decompress(base64.b85decode(_LOCKED_BY_AES))


def by_hand(kids: str, count: int, page: str, *, font: str = _FONT, more: Sequence[str] = ()) -> bytes:
    """A PDF with this page tree and this page object, as an attacker would write it."""
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {count}>>",
        page,
        "<</Length 37>>\nstream\nBT /F1 12 Tf 72 720 Td (hello) Tj ET  \nendstream",
        font,
        *more,
    ]
    body = "%PDF-1.7\n"
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF".encode()


def spelled(word: str) -> bytes:
    """A page that shows "hello" and says that its second character stands for the second of `word`, an "h?llo"."""
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>"
    code = word[1].encode("utf-16-be").hex()
    table = f"1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfchar <65> <{code}> endbfchar"
    return by_hand("3 0 R", 1, PAGE, font=font, more=[f"<</Length {len(table)}>>\nstream\n{table}\nendstream"])


def _written(writer: PdfWriter) -> bytes:
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()
