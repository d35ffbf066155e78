"""Notebook 05: the numbers that the learner's own loop is made of."""

import torch

from r1aqa_helpers.course.lessons import n05
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.tiny.data import prepare
from r1aqa_helpers.training.logprobs import Answers, answer_logps

WEIGHTS = "model.language_model.layers.0.self_attn.k_proj.weight"


def test_an_estimate_is_the_gradient_of_the_weighted_log_probability():
    logits = torch.tensor([0.3, -1.0, 0.2, 0.9], requires_grad=True)
    actions, weights = torch.tensor([2, 0, 2]), torch.tensor([1.5, -0.5, 0.0])
    found = n05.policy_gradients(logits.detach(), actions, weights)
    for action, weight, estimate in zip(actions, weights, found, strict=True):
        loss = weight * torch.log_softmax(logits, dim=0)[action]
        torch.testing.assert_close(estimate, torch.autograd.grad(loss, logits)[0])


def test_answers_that_share_a_prompt_have_the_values_and_gradients_of_whole_rows():
    loaded = n05.tiny_model()
    torch.manual_seed(0)
    (group,) = n05.sample_groups(loaded, read_questions(prepare().train)[:1], size=4)
    assert group.mask.min() == 0  # their lengths differ
    logits = n05.row_logits(loaded.model, group)
    width = group.prompt.shape[1] + group.ids.shape[1]
    assert logits.shape == (4, width, loaded.model.config.text_config.vocab_size)
    shared = n05.completion_logprobs(logits, group.ids) * group.mask
    prompts = group.prompt.expand(4, -1)
    rows = Answers(
        prompts,
        torch.ones_like(prompts),
        group.ids,
        group.mask.long(),
        torch.zeros(4, dtype=torch.long),
        group.clips,
        shared_prefix=False,
    )
    whole, _ = answer_logps(loaded.model, rows)
    torch.testing.assert_close(shared, whole, atol=1e-4, rtol=0)
    weights = loaded.model.get_parameter(WEIGHTS)
    found, wanted = (torch.autograd.grad(one.sum(), weights)[0] for one in (shared, whole))
    assert (found - wanted).norm() < 1e-4 * wanted.norm()
