#!/usr/bin/env python3
"""./dev bench text: ken's text encoder beside its peers, on texts of 12 tokens.

The text tower of the model of encode.py, measured in the same way. ken gets ids padded to 77, as
tokenizers give them, and stops at the end token; the peers get the 12 tokens without padding, which is
their best case: most programs pad.
"""

import engines
import measure

SETTINGS = [(1, 1), (1, 2), (16, 1), (16, 2)]  # batch, threads


def main():
    arguments = engines.options(__doc__)
    result = engines.benchmark(arguments, "text", "text", "texts", SETTINGS, engines.TEXT_PAIRS)
    engines.print_result(result, "texts", only_ratios=arguments.quick)
    measure.save(result, arguments.results)


if __name__ == "__main__":
    main()
