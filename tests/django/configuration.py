"""Configure Django once in a process, for every test that needs it."""

from importlib.util import find_spec
from pathlib import Path

import django
from django.conf import settings
from django.test.utils import setup_test_environment

PROJECT = Path(__file__).parent / "project"

IN_MEMORY = ("lite", "fresh", "other")

TEMPLATES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {
        "context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]
    },
}


def configure() -> None:
    """Configure it; ``default`` is PostgreSQL, whose address a fixture fills in, others are in memory."""
    if settings.configured:
        return
    own = ["sp00ky_django"] if find_spec("sp00ky_django") else []
    settings.configure(
        SECRET_KEY="of-the-tests",
        BASE_DIR=PROJECT,
        ROOT_URLCONF="tests.django.urls",
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        INSTALLED_APPS=[
            *("django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes"),
            *("django.contrib.messages", "django.contrib.sessions"),
            *own,
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # cheap
        TEMPLATES=[TEMPLATES],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.postgresql", "NAME": "django"},
            **{alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for alias in IN_MEMORY},
        },
        SP00KY={"CONFIG": "sp00ky.yml"},
    )
    django.setup()
    setup_test_environment()
