"""The operators' page: what is going on inside, and what may be done about it. Never what people have written.

Reading order: `kept` (what many ask for is made once), `live` (unfinished runs), `fleet` (workers), `failures`, `hour`
(the last sixty minutes), `board` (all of them on one Redis), `story` (one run's steps), `actions`, `views` (HTTP).
"""
