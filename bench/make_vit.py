"""Makes the model of bench/encode.py: ViT-B/32 as Hugging Face's CLIP has it, with random weights, as
a directory for ken and PyTorch and as ONNX for ONNX Runtime. The text tower is cut to one layer:
only pictures are measured."""

import sys
import warnings
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil


class ImageTower(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.vision_model, self.visual_projection = model.vision_model, model.visual_projection

    def forward(self, pixels):
        embedding = self.visual_projection(self.vision_model(pixel_values=pixels).pooler_output)
        return embedding / embedding.norm(dim=-1, keepdim=True)


def randomize(model):
    """Activations of the order of one, as trained weights give them."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "layrnorm" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.1 * torch.randn_like(parameter))
            elif parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) / parameter[0].numel() ** 0.5)


def main(out):
    torch.manual_seed(0)
    config = CLIPConfig(text_config=dict(num_hidden_layers=1, hidden_size=64, num_attention_heads=1,
                                         intermediate_size=64))
    model = CLIPModel(config).eval()
    randomize(model)
    model.save_pretrained(out)
    CLIPImageProcessorPil().save_pretrained(out)
    size = config.vision_config.image_size
    warnings.filterwarnings("ignore")
    torch.onnx.export(ImageTower(model).eval(), (torch.randn(2, 3, size, size),), out / "image.onnx",
                      input_names=["pixels"], output_names=["embedding"], opset_version=17,
                      dynamic_axes={"pixels": {0: "batch"}, "embedding": {0: "batch"}}, dynamo=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
