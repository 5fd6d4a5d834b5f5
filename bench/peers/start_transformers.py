"""One text to its embedding with transformers: start_transformers.py MODEL_DIR TEXT. Loads the text
tower only, as somebody in a hurry would."""

import sys

import torch
from transformers import AutoTokenizer, CLIPTextModelWithProjection


def main():
    directory, text = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = CLIPTextModelWithProjection.from_pretrained(directory).eval()
    with torch.inference_mode():
        embedding = model(**tokenizer([text], return_tensors="pt")).text_embeds[0]
    print(*(embedding / embedding.norm()).tolist())


if __name__ == "__main__":
    main()
