"""What is done with runs that nobody works on, for both kinds of process: rules without I/O, and the steps to carry
them out as generators that ask for their I/O. Web and worker drive them with the clients that they have (decision 8).

Reading order: `asks` (what I/O is), `rules` (what is to be done), `ending` (closing a run, letting the next one begin),
`noting` (how runs ended, for operators), `sweep` (looking at all unfinished runs), `reporting` and `tracing` (what was
done, for logs, metrics and traces).
"""
