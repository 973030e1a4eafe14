"""The settings of the examples, and create_job, which posts a job until the service has answered."""

import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone

import requests

JOBS_URL = os.environ.get("JOBS_URL", "http://127.0.0.1:3000")
JOBS_TOKEN = os.environ.get("JOBS_TOKEN")
TARGET_URL = os.environ.get("TARGET_URL", f"{JOBS_URL}/echo")

if not JOBS_TOKEN:
    sys.exit("JOBS_TOKEN is not set. For the local stack: export JOBS_TOKEN=$(npm run --silent token -- --app UUID)")


class JobError(Exception):
    """The job was not accepted, or no answer came."""


def create_job(job: dict) -> dict:
    """Posts a job and returns it. Raises JobError with the API's message and details if the job is refused."""
    for pause_seconds in (1, 2, 4):
        try:
            response = post(job)
        except requests.RequestException:
            response = None
        if response is not None and response.status_code != 503:
            return job_in(response)
        # The job may have been accepted or not, so post it again with the same idempotency key.
        time.sleep(pause_seconds)
    try:
        return job_in(post(job))
    except requests.RequestException as error:
        raise JobError(f"No answer from {JOBS_URL}: {error}") from None


def post(job: dict) -> requests.Response:
    headers = {"Authorization": f"Bearer {JOBS_TOKEN}"}
    return requests.post(f"{JOBS_URL}/v1/jobs/create", json=job, headers=headers, timeout=30)


def job_in(response: requests.Response) -> dict:
    if response.status_code < 300:
        return response.json()["data"]
    try:
        error = response.json()["error"]
        details = [f"{detail['field']}: {detail['message']}" for detail in error.get("details", [])]
        reason = "\n  ".join([error["message"], *details])
    except (ValueError, KeyError):
        # A proxy before the API has answered in its own format.
        reason = response.text
    raise JobError(f"HTTP {response.status_code}: {reason}")


def print_job(job: dict) -> None:
    shown = ("id", "executionType", "status", "nextRunAt")
    print(json.dumps({name: job[name] for name in shown if job.get(name)}))


def now() -> str:
    return f"{days_ahead(0)}Z"


def days_ahead(days: int) -> str:
    """The time days from now for at(...): in UTC, without the Z."""
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S")
