"""Calls a model as any program would: with the unmodified `openai` package.

Everything comes from the environment, as the package itself reads it:
OPENAI_BASE_URL and OPENAI_API_KEY. Lists the models, then streams one chat
completion of OPENAI_MODEL (else of the first model listed), and prints
{"models": [...], "chunks": N, "text": "..."}. Exit 1 with the package's own
error otherwise.
"""

import json
import os
import sys

import openai


def main() -> int:
    # One try: a test wants to see each refusal, not the package's patience.
    client = openai.OpenAI(max_retries=0, timeout=30.0)
    try:
        models = [model.id for model in client.models.list()]
        name = os.environ.get("OPENAI_MODEL") or models[0]
        stream = client.chat.completions.create(
            model=name,
            messages=[{"role": "user", "content": "Say hello."}],
            stream=True,
        )
        chunks = 0
        text = ""
        for chunk in stream:
            chunks += 1
            for choice in chunk.choices:
                text += choice.delta.content or ""
    except openai.OpenAIError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"models": models, "chunks": chunks, "text": text}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
