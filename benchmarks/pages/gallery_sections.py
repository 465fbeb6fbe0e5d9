"""The sections of docs/gallery.md: each system, and where its table and picture are from."""

from benchmarks.pages.gallery_discrete import DISCRETE
from benchmarks.pages.gallery_guides import GUIDES
from benchmarks.pages.gallery_published import PUBLISHED
from benchmarks.pages.gallery_structures import STRUCTURES

SECTIONS = (*GUIDES, *STRUCTURES, *DISCRETE, *PUBLISHED)
