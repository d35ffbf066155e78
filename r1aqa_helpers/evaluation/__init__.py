"""From questions and a model to predictions; no training, and no judging, which is `scoring`'s.

`local` asks a model in this process, `endpoint` one behind an OpenAI-compatible server, `cascade`
a text model that reads captions; `sampled` asks several times, `probes` finds out what an accuracy
is made of.
"""
