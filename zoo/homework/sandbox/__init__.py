"""Students' code in processes of its own, with limits that the Linux kernel enforces.

A warm process, started afresh and never told the secret, imports torch once. For each part it
forks a watcher, which enters new namespaces and forks the process that runs the student's file.
That process gives up every right that it does not need (Landlock, seccomp, capabilities, limits)
before it reads a line of the file. It writes tensors; the grader judges them.
"""
