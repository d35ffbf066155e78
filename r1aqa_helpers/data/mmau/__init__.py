"""MMAU test-mini as released, made ready: a file of questions and its recordings.

MMAU (https://github.com/Sakshi113/MMAU) comes in two shapes. *JSON* beside a folder of
recordings, and *parquet* (``gamma-lab-umd/MMAU-test-mini`` on the Hugging Face Hub), whose rows
hold ``context`` (the recording's bytes), ``instruction``, ``choices`` and ``answer`` with letters
in front ("(A) Man"), and the labels as JSON text in ``other_attributes``. And in two releases,
which are two tests: of the 894 ids that v1 and v05.15.25 share, 258 differ. Which one a file is,
its content says, not its name.

`releases` says which release a set of questions is, `convert` makes questions of either shape,
`prepare` downloads them, writes them out, and finds what was written.
"""
