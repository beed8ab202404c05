"""Many runs on many workers: tasks that name themselves, a file for each, and what has become of all."""

from fastgibbs.campaigns.collected import Campaign
from fastgibbs.campaigns.driving import campaign
from fastgibbs.campaigns.tasks import Task

__all__ = ["Campaign", "Task", "campaign"]
