"""Runs one module of the suite against the server named by the environment, and reports on standard output.

Usage: suite.py MODULE. Each test becomes one line of JSON: its name, its outcome (`passed`, `failed`, `skipped`) and,
unless it passed, the reason. The program that starts this one counts the lines; the exit code says nothing about tests.
"""

import json
import sys
import unittest
import warnings


class JsonLines(unittest.TestResult):
    """Prints each outcome as soon as it is known."""

    def addSuccess(self, test):
        super().addSuccess(test)
        self._print(test, "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._print(test, "failed", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._print(test, "failed", self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._print(test, "skipped", reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._print(subtest, "failed", (self.failures + self.errors)[-1][1])

    @staticmethod
    def _print(test, outcome, reason=""):
        name = test.id().removeprefix("scenarios_")
        print(json.dumps({"name": name, "outcome": outcome, "reason": reason}), flush=True)


if __name__ == "__main__":
    # The SDK says at every import that it is an alpha; nothing else may warn.
    warnings.filterwarnings("ignore", message="langsmith.sandbox is in alpha", category=FutureWarning)
    unittest.defaultTestLoader.loadTestsFromName(sys.argv[1]).run(JsonLines())
