"""Does our model agree with `transformers.SamModel` on every kind of prompt?"""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from radsam.model.published_checkpoint import restore_sam
from radsam.model.sam import Sam
from radsam.model.sam_config import SamConfig
from small_models import PROMPTS, SMALL_VIT, decoder_inputs, random_model

transformers = pytest.importorskip("transformers", reason="the reference implementation is not installed")

#: Our names (the official ones) and the reference's, applied in this order.
RENAMES = [
    (r"^image_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
    (r"^image_encoder\.blocks\.(\d+)\.norm(\d)", r"vision_encoder.layers.\1.layer_norm\2"),
    (r"^image_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"^image_encoder\.", "vision_encoder."),
    (r"pe_layer\.positional_encoding_gaussian_matrix$", "shared_embedding.positional_embedding"),
    (r"point_embeddings\.", "point_embed."),
    (r"mask_downscaling\.0\.", "mask_embed.conv1."),
    (r"mask_downscaling\.1\.", "mask_embed.layer_norm1."),
    (r"mask_downscaling\.3\.", "mask_embed.conv2."),
    (r"mask_downscaling\.4\.", "mask_embed.layer_norm2."),
    (r"mask_downscaling\.6\.", "mask_embed.conv3."),
    (r"transformer\.norm_final_attn", "transformer.layer_norm_final_attn"),
    (r"(transformer\.layers\.\d+)\.norm(\d)", r"\1.layer_norm\2"),
    (r"output_upscaling\.0\.", "upscale_conv1."),
    (r"output_upscaling\.1\.", "upscale_layer_norm."),
    (r"output_upscaling\.3\.", "upscale_conv2."),
    (r"(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.0\.", r"\1.proj_in."),
    (r"(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.1\.", r"\1.layers.0."),
    (r"(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.2\.", r"\1.proj_out."),
]


def reference_name(name: str) -> str:
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def reference_model(config: SamConfig, model: Sam) -> transformers.SamModel:
    encoder, dim = config.encoder, config.embedding_channels
    reference = transformers.SamModel(
        transformers.SamConfig(
            vision_config=transformers.SamVisionConfig(
                hidden_size=encoder.embed_dim,
                output_channels=dim,
                num_hidden_layers=encoder.depth,
                num_attention_heads=encoder.num_heads,
                image_size=encoder.image_size,
                patch_size=encoder.patch_size,
                window_size=encoder.window_size,
                global_attn_indexes=list(encoder.global_attention),
                num_pos_feats=dim // 2,
                mlp_dim=int(encoder.embed_dim * encoder.mlp_ratio),
            ),
            prompt_encoder_config=transformers.SamPromptEncoderConfig(
                hidden_size=dim,
                image_size=encoder.image_size,
                patch_size=encoder.patch_size,
                mask_input_channels=config.mask_in_channels,
            ),
            mask_decoder_config=transformers.SamMaskDecoderConfig(
                hidden_size=dim,
                mlp_dim=config.decoder_mlp_dim,
                num_hidden_layers=config.decoder_depth,
                num_attention_heads=config.decoder_heads,
                iou_head_hidden_dim=config.iou_head_dim,
                layer_norm_eps=1e-5,  # as in the official decoder; the reference's default is 1e-6
            ),
        )
    )
    weights = {reference_name(key): value for key, value in model.state_dict().items()}
    weights["shared_image_embedding.positional_embedding"] = weights[
        "prompt_encoder.shared_embedding.positional_embedding"
    ]
    reference.load_state_dict(weights, strict=True)
    return reference.eval()


@pytest.fixture(scope="module")
def pair() -> tuple[Sam, transformers.SamModel]:
    model = random_model(SMALL_VIT)
    return model, reference_model(SMALL_VIT, model)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 80, 80, generator=torch.Generator().manual_seed(1))


def test_the_embedding_is_the_reference_s(pair: tuple[Sam, transformers.SamModel], images: Tensor) -> None:
    model, reference = pair
    with torch.no_grad():
        torch.testing.assert_close(model.encode(images), reference.get_image_embeddings(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_all_four_masks_and_their_scores_are_the_reference_s(
    pair: tuple[Sam, transformers.SamModel], images: Tensor, prompt: str
) -> None:
    model, reference = pair
    inputs = decoder_inputs(SMALL_VIT, prompt)
    clicks, box, has_mask = PROMPTS[prompt]
    with torch.no_grad():
        embedding = model.encode(images[:1])
        logits, scores = model.decode(embedding, **inputs)
        given = {
            "input_points": torch.tensor([[[click[:2] for click in clicks]]]) if clicks else None,
            "input_labels": torch.tensor([[[click[2] for click in clicks]]]) if clicks else None,
            "input_boxes": torch.tensor([[box]]) if box else None,
            "input_masks": inputs["mask"] if has_mask else None,
        }
        one = reference(image_embeddings=embedding, multimask_output=False, **given)
        three = reference(image_embeddings=embedding, multimask_output=True, **given)
    expected_logits = torch.cat([one.pred_masks, three.pred_masks], dim=2)[:, 0]
    expected_scores = torch.cat([one.iou_scores, three.iou_scores], dim=2)[:, 0]
    torch.testing.assert_close(logits, expected_logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores, expected_scores, rtol=1e-4, atol=1e-5)


def test_prompts_change_the_answer() -> None:
    # Guards the comparison above: with weights near zero, any two models would agree.
    model = random_model(SMALL_VIT)
    with torch.no_grad():
        embedding = model.encode(torch.randn(1, 3, 80, 80, generator=torch.Generator().manual_seed(1)))
        predictions = [model.decode(embedding, **decoder_inputs(SMALL_VIT, prompt))[0] for prompt in PROMPTS]
    for i, first in enumerate(predictions):
        for second in predictions[i + 1 :]:
            assert (first - second).abs().max() > 1e-2


def test_a_batch_is_answered_as_its_members_are(images: Tensor) -> None:
    model = restore_sam(SMALL_VIT, random_model(SMALL_VIT).state_dict())
    first, second = decoder_inputs(SMALL_VIT, "mask and box"), decoder_inputs(SMALL_VIT, "box")
    second["points_xy"] = second["points_xy"] + 7
    both = {key: torch.cat([first[key], second[key]]) for key in first}
    with torch.no_grad():
        embedding = model.encode(images)
        logits, scores = model.decode(embedding, **both)
        for index, inputs in enumerate((first, second)):
            alone = model.decode(embedding[index : index + 1], **inputs)
            torch.testing.assert_close(logits[index : index + 1], alone[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(scores[index : index + 1], alone[1], rtol=1e-4, atol=1e-5)
