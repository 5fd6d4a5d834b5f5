"""Makes tests/data/text: small real tokenizers, a list of texts, and what the references make of them.

    python tools/make_text_goldens.py [--texts N] [--seed S] [--utf8tests FILE] OUT

Needs torch-free parts of transformers, tokenizers, sentencepiece, and open_clip with ftfy; the C tests
that read the result need none of them. OUT/texts.jsonl holds a text a line, as a JSON string or as
{"hex": "..."} for bytes that are not UTF-8. OUT/goldens/NAME.txt holds for each text the first 12 hex
digits of the SHA-256 of its ids as little-endian int32, and for the first texts the ids themselves.
"""
import argparse
import hashlib
import html.entities
import json
import pathlib
import random
import struct

import ftfy.bad_codecs  # names the sloppy encodings

CLIP_CONTEXT, SIGLIP_CONTEXT = 77, 64
N_SPELLED_OUT = 30

PHRASES = """a photo of a cat|A Photo of a DOG!|two dogs, one cat & a bird|it's what they'll've said, I'm sure
You should've done this|don't CAN'T won't y'all'd've|rock 'n' roll|'s 't 're 've 'm 'll 'd 'S 'T 'RE|'''ll
0123456789 0 1 2 10 100 1000|3.14159e-10 1,000,000.00 ½ ² ③ Ⅷ ٣ ४|$1.00 €5 £3 ¥100 ₹|user@example.com https://a.b/c?d=e&f=g#h
<|startoftext|>hello<|endoftext|>|<|STARTOFTEXT|> x <|EndOfText|>|<start_of_text> and <end_of_text>|<START_OF_TEXT>a<End_Of_Text>
a<|endoftext|>b|</s> <unk> <pad> <s> <bos> <eos> <mask>|hello</s>|</s></s>|<unk>hello <unk> x|▁▁ a ▁b▁ c|_under_score_ __x__
ΑΒΓ ΟΔΥΣΣΕΥΣ ΣΑΣ Σ ΑΣ. ΑΣΑ ΑΣ'Α ΑΣ\u0301 \u0301Σ|İstanbul ISPARTA ı İİ i\u0307|STRASSE straße ẞ GROẞ|ﬁne ﬂow oﬃce ﬅ ﬆ Ĳssel ŉ Ǆ ǆ
ＦＵＬＬ ｗｉｄｔｈ　ｔｅｘｔ ｶﾞｷﾞ ﾊﾟ ￡￣|“curly” ‘quotes’ ‚low‛ „x‟ ʼn|line\r\nbreak\rhere\u2028and\u2029there\x85end|tab\tand\x0bvt\x0cff\xa0nbsp\u3000wide\u200bzwsp\ufeffbom
\x1b[31mred\x1b[0m \x1b[1;32mgreen \x1b[x \x1b[१mA|null\x00byte \x01\x02\x7f\x80\x9f|a\u206ab\ufff9c\ufffcd|e\u0301 é E\u0301\u0327 \u0327\u0301 q\u0307\u0323 q\u0323\u0307
👨‍👩‍👧‍👦 👩🏽‍🚀 🏴󠁧󠁢󠁷󠁬󠁳󠁿 🇩🇪 ❤️ ✨🤗👁️|각 ᄀ\u1161\u11a8 가\u11a8 한국어|ด้วยน้ำ नमस्ते שָׁלוֹם مرحبا بالعالم 你好，世界 こんにちは|ǅ ǈ ᾳ ᾼ ΐ ſ K Å 'ſ ’ſ <ſtart_of_text>
𝓗𝓮𝓵𝓵𝓸 𝟘𝟙 𐐀𐐁 𞤀𞤁 Ა ა Ꭰ ꭰ|1F600 \U0001f600\U0010ffff\ufffe|&lt;b&gt; &amp;amp; &amp;lt; &#39; &#x2019; &#128; &#0; &#1114112; &#xD800;|&eacute;&EACUTE;&notit; &not &nbsp;x&copy &AMP; &hellip;
P&EACUTE;REZ &NTILDE; &nTILDE; &SZLIG; &#65;&#x41&#66 &#; &#x; & &; &a &ampx|&NotEqualTilde;&fjlig;&CounterClockwiseContourIntegral; &CounterClockwiseContourIntegralX;|<b>bold &amp; html</b>|a &amp; b\nc < d &amp; e\nf &amp; g
sÃ³ voilÃ  le travail âœ” No problems|schÃ¶n FÃ¼r ÃœberprÃ¼fung|â€œquotesâ€\x9d â€™s â€“ â€¦|Ã la mode Ã quel Ã s Ã\xa0|ÃƒÂ© ÃƒÆ’Ã‚Â©|РџСЂРёРІРµС‚ Ð¿Ñ€Ð¸Ð²ÐµÑ‚|ãƒ„ ã\x83\x84 ï¿½ â€�
l’humanitÃ© naïve café Ã©tÃ©|aâ€‹b Â© Â® 10Â°C Â£5|RÃ˜S Â¡Hola! Ã±|à²¤à²®|ð\x9f\x98\x80 ðŸ˜€ \xf0\x9f\x98\x8d|voilà ¯\\_(ツ)_/¯ &macr;\\_(ã\x83\x84)_/&macr;|ÐŸÑ€Ð¸Ð²ÐµÑ‚|├⌐ ΓÇÖ|‚Äôs caf√©
\x93quoted\x94 \x96 dash \x85|AHÅ™, the new sofa from IKEA®|Engkuâ€™s|Ã\u2026 Ä\x99|ÔªªÔ¿Â|Ä°stanbul Ã¼Ã§|(-1/2)! = √π|OK??:(  `¬´    ):|2012—∞|├ ┤ ╬ ╔╗""".replace("\n", "|").split("|")

SCRIPTS = [(0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0xA0, 0xFF), (0x100, 0x24F), (0x250, 0x36F),
           (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x5FF), (0x600, 0x6FF), (0x900, 0x9FF),
           (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F),
           (0x2190, 0x27BF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFB00, 0xFFFF),
           (0x10000, 0x1FFFF), (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF), (0xE0000, 0xE01EF)]
MOJIBAKE = ["latin-1", "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1257", "iso-8859-2",
            "mac-roman", "cp437", "sloppy-windows-1252", "sloppy-windows-1251"]
WORDS = ["a", "photo", "of", "the", "red", "dress", "Café", "naïve", "Straße", "Привет", "мир", "είναι", "日本語",
         "ÉCOLE", "don't", "it’s", "“quoted”", "–", "…", "€5", "señor", "à la", "über", "żółw", "ŽLUŤOUČKÝ"]


def random_text(rng):
    kind = rng.randrange(10)
    if kind == 0:
        return rng.choice(PHRASES)
    if kind == 1:
        return "".join(chr(c) for c in (rng.randrange(0x110000) for _ in range(rng.randrange(1, 12)))
                       if not 0xD800 <= c < 0xE000)
    if kind in (2, 3):
        return mojibake(rng)
    if kind == 4:
        return entities(rng)
    if kind == 5:
        joined = [rng.choice(WORDS + PHRASES) for _ in range(rng.randrange(1, 6))]
        return rng.choice(["", " ", "  ", "\n"]).join(joined)
    if kind == 6:
        return "".join(rng.choice("éàÃÂ ©â€™œ“”¢ªºÐÑРСãƒ\x80\x9d\xa0\u0301'sStT.ßΣσİ<>&;#") for _ in range(rng.randrange(1, 16)))
    low, high = rng.choice(SCRIPTS)
    low2, high2 = rng.choice(SCRIPTS)
    chars = []
    for _ in range(rng.randrange(1, 20)):
        a, b = (low, high) if rng.random() < 0.7 else (low2, high2)
        c = rng.randint(a, b)
        if not 0xD800 <= c < 0xE000:
            chars.append(chr(c))
        if rng.random() < 0.15:
            chars.append(" ")
    return "".join(chars)


def mojibake(rng):
    text = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 5)))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        raw = text.encode()
        if rng.random() < 0.2:
            raw = raw.replace(b"\xa0", b" ")
        try:
            text = raw.decode(rng.choice(MOJIBAKE), rng.choice(["strict", "replace"]))
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
    if rng.random() < 0.3:
        text = rng.choice(WORDS) + " " + text + " " + rng.choice(WORDS)
    if rng.random() < 0.2:
        text = text.lower() if rng.random() < 0.5 else text.replace("\xa0", " ")
    return text


def entities(rng):
    names = list(html.entities.html5)
    out = []
    for _ in range(rng.randrange(1, 6)):
        name = rng.choice(names)
        name = rng.choice([name, name, name.rstrip(";"), name.upper(), "amp;" + name])
        number = f"#{rng.randrange(0x120000)};" if rng.random() < 0.5 else f"#x{rng.randrange(0x3000):x}"
        out.append("&" + (name if rng.random() < 0.7 else number) + rng.choice(["", " ", "x", ";"]))
    return "".join(out)


def make_texts(n, seed, utf8tests=None):
    rng = random.Random(seed)
    texts = list(PHRASES)
    texts += ["", " ", "\n", "word " * 100, "a" * 500, "1" * 90, "é" * 90, "👍" * 40, "x y " * 37 + "z"]
    texts += ["a" + "\u0301\u0327\u0323" * 20, "Ã" * 64, "&amp;" * 30, "&" * 100, "<" * 90, "ΑΣ" * 40]
    raw = [b"\xff\xfe", b"caf\xe9", b"\xc0\xaf \xe0\x80\xaf", b"\xed\xa0\x80 \xf4\x90\x80\x80", b"a\xe2\x82", b"\xf0\x9f\x98 x"]
    if utf8tests:
        raw += [line for line in pathlib.Path(utf8tests).read_bytes().split(b"\n") if line][:300]
    while len(texts) < n:
        texts.append(random_text(rng))
    seen, unique = set(), []
    for text in [t.encode() for t in texts] + raw:
        if text not in seen:
            seen.add(text)
            unique.append(text)
    return unique


# ---- tokenizers ---------------------------------------------------------------------------------

def training_text():
    root = pathlib.Path(__file__).resolve().parent.parent
    merges = (root / "src/text/data/clip_merges.txt").read_text().split("\n")
    rng = random.Random(1)
    words = [m.replace(" ", "").replace("</w>", "") for m in merges if m.endswith("</w>") and m.isascii()]
    lines = [" ".join(rng.choice(words[:2000 if rng.random() < 0.7 else len(words)]) for _ in range(9)) for _ in range(6000)]
    return lines + [p for p in PHRASES if p.isprintable()] * 3


def make_clip(out, n_merges=1500):
    """CLIP with few merges: as transformers 5 saves it, and as older versions did."""
    from transformers import CLIPTokenizer
    root = pathlib.Path(__file__).resolve().parent.parent
    merges = (root / "src/text/data/clip_merges.txt").read_text().split("\n")[:n_merges]
    bs = [*range(33, 127), *range(161, 173), *range(174, 256)]
    chars = [chr(b) for b in bs] + [chr(256 + i) for i in range(256 - len(bs))]
    pieces = chars + [c + "</w>" for c in chars] + [m.replace(" ", "") for m in merges]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer({p: i for i, p in enumerate(pieces)}, [tuple(m.split()) for m in merges])
    from tokenizers import AddedToken
    tokenizer.add_tokens([AddedToken("Kenword", normalized=True), AddedToken("[X]", normalized=False, lstrip=True, rstrip=True),
                          AddedToken("zed", normalized=True, single_word=True)])
    tokenizer.save_pretrained(out / "clip")
    legacy = out / "clip-legacy"
    legacy.mkdir(exist_ok=True)
    (legacy / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(pieces)}, ensure_ascii=False))
    (legacy / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")


def make_siglip(out):
    import sentencepiece as spm
    from transformers import SiglipTokenizer
    (out / "siglip").mkdir(exist_ok=True)
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(training_text()), model_prefix=str(out / "siglip/spiece"), vocab_size=2000,
        model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>",
        character_coverage=0.9995, user_defined_symbols=["kenken"], minloglevel=2)
    (out / "siglip/spiece.vocab").unlink()
    SiglipTokenizer(str(out / "siglip/spiece.model")).save_pretrained(out / "siglip")


def make_unigram_json(out):
    """A T5-like tokenizer.json: a precompiled map of few rules, Metaspace, Unigram, byte fallback off and on."""
    import base64
    import sentencepiece as spm
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from sentencepiece import sentencepiece_model_pb2 as pb
    rules = out / "rules.tsv"
    pairs = [(0xFF21 + i, 0x41 + i) for i in range(26)] + [(0xA0, 0x20), (0x3000, 0x20), (0x2002, 0x20), (0xAA, 0x61)]
    lines = [f"{a:X}\t{b:X}" for a, b in pairs] + ["65 301\tE9", "66 69\tFB01", "FB03\t66 66 69", "200B\t", "1F600\t3A 29"]
    rules.write_text("\n".join(lines) + "\n")
    prefix = str(out / "small")
    spm.SentencePieceTrainer.train(sentence_iterator=iter(training_text()), model_prefix=prefix, vocab_size=1200,
                                   model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, byte_fallback=True,
                                   normalization_rule_tsv=str(rules), minloglevel=2)
    proto = pb.ModelProto.FromString(pathlib.Path(prefix + ".model").read_bytes())
    for suffix in (".model", ".vocab"):
        pathlib.Path(prefix + suffix).unlink()
    rules.unlink()
    vocab = [(p.piece, p.score) for p in proto.pieces]
    for name, fallback, scheme in (("t5", False, "always"), ("t5-bytes", True, "first")):
        tokenizer = Tokenizer(models.Unigram(vocab, 2, fallback))
        tokenizer.normalizer = normalizers.Sequence([
            normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Strip(left=False, right=True),
            normalizers.Replace(Regex(" {2,}"), "▁")])
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        tokenizer.decoder = decoders.Metaspace()
        tokenizer.add_special_tokens([AddedToken(t, special=True) for t in ("<pad>", "</s>", "<unk>")])
        (out / name).mkdir(exist_ok=True)
        tokenizer.save(str(out / name / "tokenizer.json"), pretty=False)
        (out / name / "tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>",
            "model_max_length": 64}, indent=1))


def make_siglip2(out):
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import GemmaTokenizer, Siglip2Tokenizer
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"] + [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=specials, limit_alphabet=120, show_progress=False,
                                  max_token_length=12)
    tokenizer.train_from_iterator((w for line in training_text() for w in line.split()), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    for name, cls in (("siglip2", Siglip2Tokenizer), ("gemma", GemmaTokenizer)):
        made = cls(vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]], add_bos_token=name == "gemma",
                   add_eos_token=True, padding_side="right" if name == "siglip2" else "left")
        made.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("<table>", normalized=False)])
        made.save_pretrained(out / name)


def make_splits(out):
    """Pre-tokenizers and normalizers that no SigLIP needs but tokenizer.json may ask for."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("i", "n"), ("a", "n"), ("Ġ", "a"), ("Ġ", "the"), ("1", "2")]
    vocab = {p: i for i, p in enumerate(["<s>", "</s>", "<pad>"] + alphabet + [a + b for a, b in merges])}
    tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=True))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.NFKD(), normalizers.StripAccents(), normalizers.Nmt(), normalizers.Strip(), normalizers.Prepend("~"),
        normalizers.Replace("cat", "the dog"), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"[0-9]{1,3}"), "isolated"), pre_tokenizers.Split(",", "merged_with_next"),
        pre_tokenizers.Split(Regex(r"[.!?]+"), "contiguous"), pre_tokenizers.Split(Regex(r"(?i)the|-"), "removed"),
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=True)])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])])
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in ("<s>", "</s>", "<pad>")])
    tokenizer.enable_padding(pad_id=2, pad_token="<pad>", length=32)
    (out / "splits").mkdir(exist_ok=True)
    tokenizer.save(str(out / "splits" / "tokenizer.json"), pretty=False)


# ---- what the references say --------------------------------------------------------------------

def references(out):
    """name: a function from a list of str to rows of ids."""
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer, CLIPTokenizer, GemmaTokenizer, Siglip2Tokenizer, SiglipTokenizer

    def fast(tokenizer, context):
        return lambda texts: tokenizer(texts, padding="max_length", max_length=context, truncation=True)["input_ids"]

    def raw(path, context):
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.enable_truncation(context)
        tokenizer.enable_padding(length=context, pad_id=2, pad_token="<pad>")
        return lambda texts: [e.ids for e in tokenizer.encode_batch(texts)]

    simple = SimpleTokenizer()
    hf = HFTokenizer(str(out / "t5"), context_length=SIGLIP_CONTEXT, clean="canonicalize")
    return {
        "open-clip": lambda texts: simple(texts).tolist(),
        "clip": fast(CLIPTokenizer.from_pretrained(out / "clip"), CLIP_CONTEXT),
        "clip-legacy": fast(CLIPTokenizer.from_pretrained(out / "clip-legacy"), CLIP_CONTEXT),
        "siglip": fast(SiglipTokenizer.from_pretrained(out / "siglip"), SIGLIP_CONTEXT),
        "t5": fast(AutoTokenizer.from_pretrained(out / "t5"), SIGLIP_CONTEXT),
        "t5-bytes": fast(AutoTokenizer.from_pretrained(out / "t5-bytes"), SIGLIP_CONTEXT),
        "t5-canonicalize": lambda texts: hf(texts).tolist(),
        "siglip2": fast(Siglip2Tokenizer.from_pretrained(out / "siglip2"), SIGLIP_CONTEXT),
        "gemma": fast(GemmaTokenizer.from_pretrained(out / "gemma"), SIGLIP_CONTEXT),
        "splits": raw(out / "splits" / "tokenizer.json", 32),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--texts", type=int, default=2200)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--utf8tests", help="a file of damaged UTF-8, a test a line")
    args = parser.parse_args()
    (args.out / "goldens").mkdir(parents=True, exist_ok=True)
    for make in (make_clip, make_siglip, make_unigram_json, make_siglip2, make_splits):
        make(args.out)
    texts = make_texts(args.texts, args.seed, args.utf8tests)
    with open(args.out / "texts.jsonl", "w", encoding="utf-8") as file:
        for text in texts:
            try:
                line = json.dumps(text.decode(), ensure_ascii=False)
            except UnicodeDecodeError:
                line = json.dumps({"hex": text.hex()})
            file.write(line + "\n")
    strings = [text.decode(errors="replace") for text in texts]
    for name, encode in references(args.out).items():
        with open(args.out / "goldens" / f"{name}.txt", "w", encoding="ascii") as file:
            for i, ids in enumerate(encode(strings)):
                digest = hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()[:12]
                spelled = " " + " ".join(map(str, ids)) if i < N_SPELLED_OUT else ""
                file.write(digest + spelled + "\n")


if __name__ == "__main__":
    main()
