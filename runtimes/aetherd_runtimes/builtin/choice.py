"""Which model an agent gets: what was asked for, what there is a key for, what aetherd's gateway offers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aetherd_runtimes.builtin.dialects.common import Dialect

DEFAULT_WINDOW = 128_000
WIDE_WINDOW = 200_000  # what the large ones have at least; more is never used, since every token is paid each time
WIDE = ("claude-", "gemini-", "gpt-4.1", "gpt-5", "o1", "o3", "o4")
LOCAL_WINDOW = 32_768  # of Ollama, which takes memory for it


class Unfit(Exception):
    """Raised when there is no such model, or no way to it; says how to mend it."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who has models: how they are called, what a person gives to reach them."""

    name: str
    dialect: str
    default: str | None = None  # the model when none is asked for
    begins: tuple[str, ...] = ()  # how its models' names begin
    keys: tuple[str, ...] = ()  # in the environment
    address: str = ""  # in the environment
    base: str = ""


PROVIDERS = (
    Provider(
        "anthropic",
        "anthropic",
        "claude-sonnet-5-5",
        ("claude-",),
        ("ANTHROPIC_API_KEY",),
        "ANTHROPIC_BASE_URL",
        "https://api.anthropic.com",
    ),
    Provider(
        "openai",
        "openai",
        "gpt-5.6",
        ("gpt-", "chatgpt-", "o1", "o3", "o4"),
        ("OPENAI_API_KEY",),
        "OPENAI_BASE_URL",
        "https://api.openai.com",
    ),
    Provider(
        "gemini",
        "gemini",
        "gemini-flash-latest",
        ("gemini-",),
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "GOOGLE_GEMINI_BASE_URL",
        "https://generativelanguage.googleapis.com",
    ),
    Provider("ollama", "ollama", address="OLLAMA_HOST"),
)
KNOWN = {provider.name: provider for provider in PROVIDERS}
ENVIRONMENT = tuple(name for provider in PROVIDERS for name in (*provider.keys, provider.address))
"""Every variable a person can reach a model by."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and the way to it; the key itself is in the environment under `key`, or none is needed."""

    provider: str
    dialect: str
    model: str
    url: str
    key: str | None = None
    gateway: bool = False

    @property
    def name(self) -> str:
        """Return what is shown."""
        return f"{self.provider}/{self.model}"


def choose(
    wanted: str | None, env: Mapping[str, str], gateway: str | None = None, offered: Collection[str] = ()
) -> Choice | None:
    """Return the model, None when nothing is configured and none was asked for; raises `Unfit`.

    A credential in the agent's own environment comes before the gateway, at `gateway`, with what is `offered` there.
    """
    own = [provider.name for provider in PROVIDERS if _key(provider, env) is not None or env.get(provider.address)]
    there = [*own, *(name for name in KNOWN if name in offered and name not in own)]
    there += sorted(name for name in offered if name not in KNOWN)
    provider, model = _named(wanted, there)
    if provider is None:
        if wanted is not None:
            raise Unfit(_unknown(wanted, there))
        provider = next((name for name in there if name in KNOWN and KNOWN[name].default), None)
        if provider is None and not there:
            return None
        provider = provider or there[0]
    if provider not in there:
        raise Unfit(_missing(wanted or provider, KNOWN[provider]))
    known = KNOWN.get(provider, Provider(provider, "openai"))
    model = model or known.default or ""
    if not model:
        raise Unfit(f"{provider} has no model of its own choice: ask for one as model {provider}/NAME")
    if provider in own:
        return Choice(provider, known.dialect, model, _address(known, env), _key(known, env))
    return Choice(provider, known.dialect, model, f"{gateway}/{provider}", gateway=True)


def window_of(choice: Choice) -> int:
    """Return how many tokens a model takes, as far as its name tells."""
    if choice.dialect == "ollama":
        return LOCAL_WINDOW
    return WIDE_WINDOW if choice.model.startswith(WIDE) else DEFAULT_WINDOW


def dialect_of(choice: Choice) -> Dialect:
    """Return how the provider is spoken to; only its module is loaded."""
    if choice.dialect == "anthropic":
        from aetherd_runtimes.builtin.dialects.anthropic import Anthropic

        return Anthropic()
    if choice.dialect == "gemini":
        from aetherd_runtimes.builtin.dialects.gemini import Gemini

        return Gemini()
    if choice.dialect == "ollama":
        from aetherd_runtimes.builtin.dialects.ollama import Ollama

        return Ollama()
    from aetherd_runtimes.builtin.dialects.openai import OpenAi

    return OpenAi() if choice.provider == "openai" else OpenAi("max_tokens")  # as those that are compatible know it


def _named(wanted: str | None, there: Collection[str]) -> tuple[str | None, str]:
    """Return the provider a wish names and the model that is left of it; None when it names none."""
    if not wanted:
        return None, ""
    head, slash, rest = wanted.partition("/")
    if head in KNOWN or head in there:
        return head, rest
    if slash:
        return None, ""
    for provider in PROVIDERS:
        if provider.begins and wanted.startswith(provider.begins):
            return provider.name, wanted
    return None, ""


def _key(provider: Provider, env: Mapping[str, str]) -> str | None:
    return next((name for name in provider.keys if env.get(name)), None)


def _address(provider: Provider, env: Mapping[str, str]) -> str:
    address = env.get(provider.address) or provider.base
    return address if "://" in address else f"http://{address}"


def _unknown(wanted: str, there: Collection[str]) -> str:
    known = ", ".join(there) or "none is configured"
    return f"nobody knows whose model {wanted!r} is: say it as PROVIDER/NAME (providers here: {known})"


def _missing(wanted: str, provider: Provider) -> str:
    given = provider.keys[0] if provider.keys else provider.address
    return f"the model {wanted!r} needs {provider.name}: configure it by model.configure, or give {given} in env"
