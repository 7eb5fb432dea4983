"""CapDec against its authors' numbers, then against what the paper says."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from reference_impls import capdec
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("capdec", function="inject_noise"), ids=str)
def test_noise_equals_upstream(case):
    how = case.params
    drawn = {name: case[name] for name in ("noise", "u", "modality_offset") if name in case}
    case.check(z_noisy=capdec.inject_noise(
        case["z"], how["variance"], uniform=how["uniform"], normalize_first=not how["dont_norm"], **drawn))


@pytest.mark.parametrize("case", cases("capdec", function="estimate_epsilon"), ids=str)
def test_epsilon_equals_the_formula(case):
    epsilon = capdec.estimate_epsilon(case["image"], case["text"])
    case.check(epsilon=epsilon, variance=epsilon.square())


@pytest.mark.parametrize("case", cases("capdec", function="PrefixMapper"), ids=str)
def test_mapper_equals_upstream(case):
    names = ("kind", "clip_dim", "emb_dim", "prefix_length", "clip_length", "num_layers", "heads", "mlp_ratio")
    mapper = capdec.PrefixMapper(**{name: case.params[name] for name in names if name in case.params})
    case.check(prefix=case.load(mapper)(case["z"]))


@pytest.mark.parametrize("case", cases("capdec", function="prefix_caption_loss"), ids=str)
def test_loss_equals_upstream(case):
    P, full = case.params["prefix_length"], case["logits_full"]
    loss = capdec.prefix_caption_loss(full, case["tokens"], P)
    case.check(loss=loss, logits=full[:, P - 1:-1])


GPT2 = {
    "ln_1": "norm1", "ln_2": "norm2", "attn.c_attn": "qkv", "attn.c_proj": "proj",
    "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
}


def gpt2_state(case):
    """GPT-2's tensors under our names; its linear maps are stored (in, out)."""
    state = {}
    for key, array in case.arrays.items():
        if not key.startswith("w.transformer."):
            continue
        name, value = key.removeprefix("w.transformer."), torch.from_numpy(array.copy())
        for theirs, ours in GPT2.items():
            name = name.replace(f".{theirs}.", f".{ours}.")
        name = name.replace("h.", "blocks.", 1) if name.startswith("h.") else name.replace("ln_f", "norm")
        state[name] = value.T if value.ndim == 2 and name.startswith("blocks.") else value
    return state


@pytest.mark.parametrize("case", cases("capdec", function="prefix_caption_loss"), ids=str)
def test_the_decoder_is_gpt2(case):
    how, state = case.params, gpt2_state(case)
    decoder = capdec.CaptionDecoder(how["vocab"], how["emb"], how["layers"], how["heads"], len(state["wpe.weight"]))
    decoder.to(state["wpe.weight"].dtype)
    missing, unexpected = decoder.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("qkv.bias") for name in missing)  # zero, and not on the card
    model = capdec.CapDec(None, decoder)
    model.mapper = lambda prefix: prefix
    logits = model(case["prefix"], case["tokens"])
    scored = case["tokens"] != 0
    tolerance = case.card["tolerance"]
    torch.testing.assert_close(logits[scored], case.expected("logits")[scored], **tolerance)
    torch.testing.assert_close(capdec.caption_loss(logits, case["tokens"]), case.expected("loss"), **tolerance)


# The noise


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def embeddings(B=6, D=20, seed=0):
    return torch.randn(B, D, dtype=torch.float64, generator=generator(seed))


def test_noisy_embeddings_have_unit_length():
    for how in ({}, {"uniform": True}, {"modality_offset": torch.ones(20, dtype=torch.float64)}):
        z = capdec.inject_noise(embeddings(), 0.1, generator=generator(), **how)
        torch.testing.assert_close(z.norm(dim=1), torch.ones(6, dtype=torch.float64))
        assert z.dtype == torch.float64


def test_without_variance_the_input_comes_back_untouched():
    assert torch.equal(capdec.inject_noise(embeddings(), 0.0), embeddings())


def test_the_papers_noise_is_three_times_longer_than_the_signal():
    """0.016 is the variance along each of 640 coordinates, not the deviation."""
    z, noise = F.normalize(embeddings(64, 640), dim=1), embeddings(64, 640, seed=1)
    cosine = F.cosine_similarity(capdec.inject_noise(z, 0.016, noise), z)
    assert (0.016**0.5 * noise).norm(dim=1).mean() == pytest.approx(3.2, abs=0.1)
    assert cosine.mean() == pytest.approx(1 / (1 + 3.2**2) ** 0.5, abs=0.03)


def test_the_length_of_the_embedding_counts_only_without_the_first_normalisation():
    z, noise = embeddings(), embeddings(seed=1)
    same, scaled = (capdec.inject_noise(x, 0.1, noise) for x in (z, 9 * z))
    torch.testing.assert_close(same, scaled)
    assert not torch.allclose(capdec.inject_noise(9 * z, 0.1, noise, normalize_first=False), same)


def test_uniform_noise_stays_in_its_ball_and_fills_it_evenly():
    """A share r^D of the ball lies within r of its radius; in the plane half lies beyond 0.707."""
    z = torch.tensor([[1e4, 0.0]], dtype=torch.float64).expand(4000, 2)
    moved = capdec.inject_noise(z, 4.0, uniform=True, normalize_first=False, generator=generator())
    height = moved[:, 1] / moved[:, 0] * 1e4
    assert height.abs().max() <= 2.001
    assert height.std() == pytest.approx(1.0, abs=0.05)


def test_the_generator_decides_the_noise():
    first, again, other = (capdec.inject_noise(embeddings(), 0.1, generator=generator(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_epsilon_is_the_mean_of_the_worst_coordinates_of_unit_vectors():
    a = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    b = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert capdec.estimate_epsilon(a, b).item() == pytest.approx((0.8 + 0.0) / 2)


# Mapper, decoder, loss


@pytest.mark.parametrize("kind", ["mlp", "transformer"])
def test_a_mapper_turns_each_embedding_alone_into_a_prefix(kind):
    torch.manual_seed(0)
    mapper = capdec.PrefixMapper(kind, 20, 16, 3, clip_length=2, num_layers=1, heads=4).double()
    prefix = mapper(embeddings())
    assert prefix.shape == (6, 3, 16)
    torch.testing.assert_close(mapper(embeddings()[2:3]), prefix[2:3])
    mapper(embeddings()).sum().backward()
    assert all(p.grad is not None for p in mapper.parameters())


def small_model(**changed):
    torch.manual_seed(0)
    return capdec.build(dataclasses.replace(capdec.TINY, clip_dim=20, width=16, heads=2, depth=1, **changed))


def captions(B=6, T=4, seed=0):
    return torch.randint(1, 24, (B, T), generator=generator(seed))


def test_no_logit_sees_its_own_or_a_later_token():
    model, z, tokens = small_model(), embeddings().float(), captions()
    changed = tokens.clone()
    changed[:, 2] = (tokens[:, 2] + 1) % 24
    before, after = model(z, tokens), model(z, changed)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3])


def test_the_decoders_gelu_is_gpt2s_approximation():
    x = torch.linspace(-4, 4, 33, dtype=torch.float64)
    approximation = x / 2 * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))
    torch.testing.assert_close(small_model().decoder.blocks[0].mlp.act(x), approximation)


def test_the_model_computes_the_logits_that_the_loss_cuts_out():
    model, z, tokens = small_model(), embeddings().float(), captions()
    words = torch.cat([model.mapper(z), model.decoder.wte(tokens)], 1)
    full = model.decoder.logits(model.decoder(words))
    torch.testing.assert_close(model(z, tokens), full[:, 1:-1])
    torch.testing.assert_close(
        capdec.prefix_caption_loss(full, tokens, 2), capdec.caption_loss(model(z, tokens), tokens))


def test_the_loss_is_the_mean_log_probability_of_tokens_that_are_no_pads():
    logits, tokens = torch.randn(3, 4, 9, dtype=torch.float64, generator=generator()), captions(3) % 8 + 1
    tokens[0, 2:], tokens[2, 1:] = 0, 0
    terms = [-logits[b, t].log_softmax(0)[tokens[b, t]] for b in range(3) for t in range(4) if tokens[b, t] != 0]
    torch.testing.assert_close(capdec.caption_loss(logits, tokens), torch.stack(terms).mean())
    padded = torch.where((tokens == 0)[..., None], 50.0, logits)
    torch.testing.assert_close(capdec.caption_loss(padded, tokens), capdec.caption_loss(logits, tokens))


def test_pads_change_no_other_logit():
    model, z, tokens = small_model(), embeddings().float(), captions()
    longer = F.pad(tokens, (0, 3))
    torch.testing.assert_close(model(z, longer)[:, :4], model(z, tokens))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_keeps_the_dtype_compiles_and_bears_autocast(dtype):
    logits, tokens = torch.randn(3, 6, 9, dtype=dtype), captions(3) % 8 + 1
    loss = capdec.prefix_caption_loss(logits, tokens, 2)
    assert loss.dtype == dtype
    compiled = torch.compile(capdec.prefix_caption_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(logits, tokens, 2), loss)
    model, z, words = small_model(), embeddings().float(), captions()
    with torch.autocast("cpu", torch.bfloat16):
        half = capdec.caption_loss(model(z, words), words)
    torch.testing.assert_close(half.float(), capdec.caption_loss(model(z, words), words), rtol=5e-2, atol=0)


def test_captions_are_the_likeliest_tokens_one_by_one_and_end_at_the_stop():
    model, z = small_model(), embeddings().float()
    torch.nn.init.normal_(model.decoder.wte.weight)
    tokens = capdec.generate(model, z, 5)
    assert torch.equal(model(F.normalize(z, dim=1), tokens).argmax(-1), tokens)
    stop = int(tokens[0, 1])
    stopped = capdec.generate(model, z, 5, stop_id=stop)
    for whole, cut in zip(tokens.tolist(), stopped.tolist(), strict=True):
        end = whole.index(stop) + 1 if stop in whole else 5
        assert cut == (whole[:end] + [0] * 5)[:len(cut)]


# Text only


def world(N=36, D=32, K=6, seed=0):
    """Captions of K topics, each text with an accent of its own, and images: other accents and an offset."""
    g = generator(seed)
    topics, offset = F.normalize(torch.randn(K, D, generator=g)), F.normalize(torch.randn(1, D, generator=g)) / 2
    topic = torch.arange(300) % K
    accents = 1.6 / D**0.5 * torch.randn(2, 300, D, generator=g)
    texts, images = (F.normalize(topics[topic] + accent, dim=1) for accent in accents)
    tokens = torch.stack([topic + 2, torch.ones_like(topic)], dim=1)
    return texts[:N], tokens[:N], F.normalize(images + offset, dim=1), tokens


def right_captions_of_images(variance, steps=110):
    texts, tokens, images, truth = world()
    model = small_model_for_world(variance)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    for step in range(steps):
        loss, watched = capdec.training_step(model, (texts, tokens), step, steps)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
    assert watched["accuracy"] > 0.9
    return (capdec.generate(model, images, 2, stop_id=1) == truth).all(1).double().mean().item()


def small_model_for_world(variance):
    torch.manual_seed(0)
    config = dataclasses.replace(capdec.TINY, clip_dim=32, width=16, heads=2, depth=1, variance=variance)
    return capdec.build(config)


def test_trained_on_noisy_text_it_captions_images_better_than_on_clean_text():
    """Images it never saw, offset from the text as CLIP's are: about 95 % right against 70 %."""
    clean, noisy = (right_captions_of_images(variance) for variance in (0.0, 0.05))
    assert noisy > clean + 0.1
    assert noisy > 0.85


def test_training_moves_the_text_and_captioning_does_not(monkeypatch):
    asked = []
    noise = capdec.inject_noise
    monkeypatch.setattr(capdec, "inject_noise", lambda z, variance: asked.append(variance) or noise(z, variance))
    model = small_model()
    loss, watched = capdec.training_step(model, (embeddings().float(), captions()))
    capdec.generate(model, embeddings().float(), 2)
    assert asked == [model.variance]
    assert watched["loss"] == loss.item()
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize(
    ("call", "remedy"),
    [(lambda: capdec.inject_noise(embeddings(), -0.1), "epsilon squared"),
     (lambda: capdec.estimate_epsilon(embeddings(), embeddings(3)), "must be one thing"),
     (lambda: capdec.PrefixMapper("linear", 4, 4, 2), "choose"),
     (lambda: capdec.caption_loss(torch.rand(2, 5, 9), captions(2, 4)), "prefix_caption_loss"),
     (lambda: small_model()(embeddings().float(), captions(6, 15)), "may have 16")],
)
def test_wrong_calls_are_refused(call, remedy):
    with pytest.raises(ValueError, match=remedy):
        call()
