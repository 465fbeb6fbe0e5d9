"""Hand-ins that are alike in their tokens: pairs to look at, not to accuse.

Names and numbers are replaced by their kinds, comments and layout left out, and runs of tokens
that the starter has as well are not counted. The similarity of two hand-ins is the share of runs
of tokens that they have in common, of all runs that one of the two has (Jaccard).

Source: Schleimer, Wilkerson and Aiken (2003), "Winnowing: local algorithms for document
fingerprinting", whose selection of runs is left out, as a class is small.
"""

import io
import keyword
import tokenize
from collections.abc import Mapping
from itertools import combinations

LENGTH = 12  # tokens of a run
LEFT_OUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def tokens_of(source: str) -> list[str]:
    """The tokens of a file up to its first error, with names, numbers and texts by their kinds."""
    found = list[str]()
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in LEFT_OUT:
                continue
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                found.append("name")
            elif token.type in (tokenize.NUMBER, tokenize.STRING):
                found.append(tokenize.tok_name[token.type])
            else:
                found.append(token.string)
    except (tokenize.TokenError, SyntaxError):
        pass
    return found


def runs_of(source: str) -> set[tuple[str, ...]]:
    """All runs of `LENGTH` tokens."""
    tokens = tokens_of(source)
    return {tuple(tokens[i : i + LENGTH]) for i in range(len(tokens) - LENGTH + 1)}


def similar_pairs(sources: Mapping[str, str], starter: str) -> list[tuple[float, str, str]]:
    """All pairs of students with their similarity from 0 to 1, the most similar first.

    Args:
        sources: student -> text.
        starter: what all of them began with.
    """
    common = runs_of(starter)
    runs = {student: runs_of(text) - common for student, text in sources.items()}
    pairs = [
        (len(runs[a] & runs[b]) / max(1, len(runs[a] | runs[b])), a, b)
        for a, b in combinations(sorted(runs), 2)
    ]
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))
