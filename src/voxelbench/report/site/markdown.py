"""Markdown documents of the checkout as HTML, with their links turned to pages of the site."""

import posixpath
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import escape

ANCHOR = "doc-"
"""Before the id of every heading, so that none is an id of the page around it."""

# A picture could lie on another host, so it is named only; comments are for whoever edits the file.
_PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")
_PARSER.add_render_rule("html_block", lambda *_: "")
_PARSER.add_render_rule("html_inline", lambda *_: "")
_PARSER.add_render_rule("image", lambda _, tokens, at, *__: f"<em>Picture: {escape(tokens[at].content)}</em>")


@dataclass(frozen=True)
class Document:
    """A document as HTML, without its first heading, which is the `title`."""

    source: str
    title: str
    body: str


def read_document(text: str, source: str, pages: Mapping[str, str], root: str) -> Document:
    """Return the document at the path `source` of the checkout, for a page that lies `root` ("", "../") below the top.

    `pages` has the page of every document, by its path. A link to anything else in the checkout becomes plain text
    that names the file.
    """
    tokens = _PARSER.parse(text)
    title = ""
    if tokens and tokens[0].type == "heading_open":
        title, tokens = tokens[1].content, tokens[3:]
    _name_headings(tokens)
    for token in tokens:
        _turn_links(token.children or [], source, pages, root)
        _scope_header(token)
    return Document(source, title, _PARSER.renderer.render(tokens, _PARSER.options, {}))


def _name_headings(tokens: list[Token]) -> None:
    """Give headings the ids that links between documents use, counted where two are alike."""
    seen: Counter[str] = Counter()
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        name = re.sub(r"[^\w\- ]", "", inline.content.lower()).replace(" ", "-")
        opening.attrSet("id", f"{ANCHOR}{name}-{seen[name]}" if seen[name] else f"{ANCHOR}{name}")
        seen[name] += 1


def _turn_links(tokens: list[Token], source: str, pages: Mapping[str, str], root: str) -> None:
    is_dead = False
    for token in tokens:
        if token.type == "link_open":
            target = _target(str(token.attrGet("href")), source, pages, root)
            is_dead = target is None
            token.attrs = {"href": target} if target else {"class": "path", "title": "a file of the repository"}
        if is_dead and token.type in ("link_open", "link_close"):
            token.tag = "span"


def _target(href: str, source: str, pages: Mapping[str, str], root: str) -> str | None:
    """Return where a link leads from the page, or None where the site has no page for it."""
    if re.match(r"(https?|mailto):", href):
        return href
    path, _, fragment = href.partition("#")
    place = posixpath.normpath(posixpath.join(posixpath.dirname(source), path)) if path else source
    page = pages.get(place) or pages.get(posixpath.join(place, "README.md"))
    return page and f"{root}{page}{f'#{ANCHOR}{fragment}' if fragment else ''}"


def _scope_header(token: Token) -> None:
    if token.type == "th_open":
        token.attrSet("scope", "col")
