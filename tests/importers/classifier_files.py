import torch

from stylecinegan.mask.ensemble import PixelClassifier


def write_classifiers(folder, num=2, num_channels=20):
    """DatasetGAN's files as the authors saved them, from within DataParallel."""
    folder.mkdir()
    torch.manual_seed(0)
    members = []
    for number in range(num):
        member = PixelClassifier(num_channels, 3, (8, 4)).eval()
        state = {f"module.{name}": tensor for name, tensor in member.state_dict().items()}
        torch.save({"model_state_dict": state}, folder / f"best_model_number_{number}.pth")
        members.append(member)
    return members
