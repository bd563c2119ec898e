"""Surveys: who is asked after a resolution, when, by which link, and what they answered.

Rooms of its own:

- `hours.py` (above domain): local hours of people across all zones, because scheduling and reminding both need them.
- `words/` (above domain): what customers read, one module a language.
- `texts.py` (above words): the choice of the language and of the words for a kind of survey.
- `life.py` (above hours): the moves that a survey can make, too long to stand beside the values.
- `sending.py` (above store): how links leave and what is heard of them, apart from answers and commands.
- `answering.py` (above sending): the use cases of the public page: answer, amend, opt out.
- `pages.py` (above schemas): the public page as HTML.
- `public.py` (above pages): its routes, because anybody may call them.
"""
