"""``cmdline.txt``: one word is exchanged, and everything else stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.fleet.flash.kernel_line import instance_of, with_country, with_instance


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"root=/dev/x rootwait\n", b"root=/dev/x rootwait ds=nocloud;i=new\n"),
        (b"root=/dev/x rootwait", b"root=/dev/x rootwait ds=nocloud;i=new\n"),
        (b"root=/dev/x\r\n", b"root=/dev/x ds=nocloud;i=new\r\n"),
        (b"root=/dev/x  \n", b"root=/dev/x ds=nocloud;i=new\n"),
        (b"a ds=nocloud;i=old b\n", b"a b ds=nocloud;i=new\n"),
        (b"ds=nocloud;i=old a\n", b"a ds=nocloud;i=new\n"),
        (b" a\n", b" a ds=nocloud;i=new\n"),
        (b"a ds=nocloud\n", b"a ds=nocloud;i=new\n"),
        (b"a ds=nocloud-net;s=http://x/ ds=nocloud;i=1 b", b"a b ds=nocloud;i=new\n"),
        (b"a xds=nocloud;i=old\n", b"a xds=nocloud;i=old ds=nocloud;i=new\n"),
        (b'a="b  c" d\n\nsecond\n', b'a="b  c" d ds=nocloud;i=new\n\nsecond\n'),
        (b"", b"ds=nocloud;i=new\n"),
        (b"\n", b"ds=nocloud;i=new\n"),
        (b"a\xff\n", b"a\xff ds=nocloud;i=new\n"),
    ],
)
def test_the_instance_is_exchanged_and_the_rest_stays(before: bytes, after: bytes) -> None:
    assert with_instance(before, "new") == after


def test_the_country_is_exchanged_and_the_rest_stays() -> None:
    line = b"a cfg80211.ieee80211_regdom=GB b\n"
    assert with_country(line, "DE") == b"a b cfg80211.ieee80211_regdom=DE\n"
    assert with_country(b"a\n", "DE") == b"a cfg80211.ieee80211_regdom=DE\n"


@pytest.mark.parametrize(
    ("line", "instance"),
    [
        (b"a\n", None),
        (b"a ds=nocloud\n", None),
        (b"a ds=nocloud;i=x b\n", "x"),
        (b"a ds=nocloud;s=file:///x/;i=y\n", "y"),
        (b"a\nds=nocloud;i=x\n", None),
        (b"xds=nocloud;i=x\n", None),
    ],
)
def test_the_instance_is_read_from_the_first_line(line: bytes, instance: str | None) -> None:
    assert instance_of(line) == instance


words = st.lists(st.text('abc=.,"/;-0', min_size=1, max_size=12), max_size=8)


@given(words, words)
def test_other_words_stay_in_order_and_twice_is_once(before: list[str], after: list[str]) -> None:
    line = " ".join([*before, "ds=nocloud;i=old", *after]).encode() + b"\n"
    once = with_instance(line, "first")
    assert once.count(b"\n") == 1
    assert once.split() == [*" ".join([*before, *after]).encode().split(), b"ds=nocloud;i=first"]
    assert with_instance(once, "first") == once
    assert instance_of(with_instance(once, "second")) == "second"
