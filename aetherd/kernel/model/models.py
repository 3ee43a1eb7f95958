"""What the model room takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from aetherd.core.model import LARGEST, Model
from aetherd.kernel.model.dialects import Dialect

Rate = Annotated[float, Field(ge=0, le=100_000)]  # USD for a million tokens
Tokens = Annotated[int, Field(ge=1, le=1 << 40)]
ProviderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
ModelName = Annotated[str, Field(min_length=1, max_length=200)]
KeyKind = Literal["key", "bearer", "claude"]


class Rates(Model):
    """USD for a million tokens, by kind; one that is left out costs what its like does."""

    cache_read: Rate | None = Field(default=None, description="input that was read from a cache; USD for a million")
    cache_write: Rate | None = Field(default=None, description="input written to a cache, for five minutes")
    cache_write_1h: Rate | None = Field(default=None, description="and for an hour")
    image_output: Rate | None = Field(default=None, description="pictures the model makes")
    audio_input: Rate | None = Field(default=None, description="sound that is sent")
    audio_output: Rate | None = Field(default=None, description="sound the model makes")


class Over(Rates):
    """Prices of a call whose input is longer than this."""

    tokens: Tokens = Field(description="dearer above this size of the input")
    input: Rate | None = Field(default=None, description="USD for a million tokens")
    output: Rate | None = Field(default=None, description="USD for a million tokens")


class Price(Rates):
    """What a model costs, in USD for a million tokens."""

    input: Rate = Field(description="USD for a million tokens that are sent")
    output: Rate = Field(default=0, description="USD for a million tokens that come back")
    search: float | None = Field(default=None, ge=0, le=1000, description="USD for a search by the provider's own tool")
    context: Tokens | None = Field(default=None, description="most tokens of input")
    most_output: Tokens | None = Field(default=None, description="most tokens of output")
    over: Over | None = Field(default=None, description="dearer prices of long inputs")
    factors: dict[str, float] | None = Field(
        default=None, description="by how much a way to be served is dearer or cheaper, such as priority or fast"
    )


class When(Model):
    """Which calls a rule is for: all that is given must hold. Names may have `*` in them."""

    provider: str | None = Field(default=None, max_length=40, description="as the runtime asks for it")
    model: str | None = Field(default=None, max_length=200, description="as the runtime asks for it")
    agent: str | None = Field(default=None, max_length=100, description="name or id: so one agent is routed by itself")
    role: str | None = Field(default=None, max_length=200, description="of the agent")
    runtime: str | None = Field(default=None, max_length=100, description="that hosts it")
    phase: str | None = Field(default=None, max_length=40, description="what the process is doing, as process.get says")
    tools: bool | None = Field(default=None, description="whether the call offers tools; titles and summaries do not")
    tool: str | None = Field(default=None, max_length=200, description="one of the tools that are offered")
    min_tokens: int | None = Field(default=None, ge=0, le=LARGEST, description="least size of the input, about")
    max_tokens: int | None = Field(default=None, ge=0, le=LARGEST, description="most size of the input, about")
    over_usd: float | None = Field(default=None, ge=0, le=LARGEST, description="the call could cost more than this")


class Target(Model):
    """Where a call goes instead."""

    provider: ProviderName | None = Field(default=None, description="default: as asked; it must speak the same dialect")
    model: ModelName | None = Field(default=None, description="default: as asked")


class RouteRule(Model):
    """The first rule that fits decides; the next place is tried when one is down, overloaded or limits us."""

    name: str = Field(min_length=1, max_length=100, description="to be told by, in model.route")
    when: When = Field(default_factory=When, description="which calls it is for; empty: all")
    to: list[Target] = Field(min_length=1, max_length=5, description="in order; an empty one is the call as it was")


class ModelConfigure(Model):
    """What to change; everything that is left out stays as it is."""

    provider: ProviderName | None = Field(default=None, description="anthropic, openai, gemini, ollama or a new name")
    dialect: Dialect | None = Field(default=None, description="what a new provider speaks; default openai")
    base_url: str | None = Field(default=None, max_length=500, description="its address; empty: the usual one again")
    api_key: SecretStr | None = Field(
        default=None, max_length=10_000, description="kept in a file that only the daemon reads; empty forgets it"
    )
    kind: KeyKind | None = Field(
        default=None,
        description="key: an API key; claude: a long-lived token of `claude setup-token`; bearer: any other",
    )
    prices: dict[ModelName, Price | None] | None = Field(
        default=None, max_length=200, description="by model, `*` for all others of the provider; null: as in the table"
    )
    rules: list[RouteRule] | None = Field(default=None, max_length=100, description="all routing rules, in order")
    trace: dict[str, bool] | None = Field(
        default=None,
        max_length=50,
        description="agent (id or name) -> whether to keep what it says to models, redacted",
    )
    remove: bool = Field(default=False, description="forget the provider and its key")


class ProvidersWanted(Model):
    """Nothing to say."""


class Provider(Model):
    """A provider; its key is never shown."""

    name: str
    dialect: Dialect
    base_url: str
    key: Literal["configured", "file", "environment", "none"] = Field(description="where the key is from")
    kind: KeyKind
    ready: bool = Field(description="whether calls can be made")
    note: str = Field(description="what is missing, and how to mend it; empty when nothing")
    own_prices: dict[str, Price] = Field(description="configured, by model")


class Providers(Model):
    """All providers, and how calls are routed and traced."""

    providers: list[Provider]
    rules: list[RouteRule]
    traced: list[str] = Field(description="agents whose calls are kept, redacted, below log/models of aetherd's home")
    prices_date: str = Field(description="when the table of prices was looked at")
    prices_source: str


class ModelsWanted(Model):
    """Which models to list."""

    provider: str | None = Field(default=None, max_length=40, description="of this one, also when it cannot be used")


class KnownModel(Model):
    """A model with a known price."""

    provider: str
    model: str
    price: Price
    own: bool = Field(description="the price was configured here")


class Models(Model):
    """Models whose prices are known; others can be used, bounded by tokens."""

    models: list[KnownModel]
    date: str
    source: str


class RouteAsk(Model):
    """A call that is not made."""

    provider: ProviderName = Field(description="that is asked")
    model: ModelName = Field(description="that is asked for")
    agent: str | None = Field(default=None, max_length=100, description="agent (id or name)")
    role: str | None = Field(default=None, max_length=200, description="of the agent")
    runtime: str | None = Field(default=None, max_length=100, description="that hosts it")
    phase: str | None = Field(default=None, max_length=40, description="what the process is doing")
    tools: list[str] = Field(default_factory=list, max_length=500, description="names of the tools that are offered")
    tokens: int = Field(default=1000, ge=0, le=1 << 40, description="size of the input")
    most_output: Tokens = Field(default=4096, description="most tokens that may come back")


class Stop(Model):
    """A place a call would go to, after those before it failed."""

    provider: str
    model: str
    ready: bool
    most_usd: float | None = Field(description="the most that is set aside for it; null: no known price")


class Route(Model):
    """Where a call would go, and why."""

    rule: str | None = Field(description="the rule that decided; null: none fits, so it goes as asked")
    stops: list[Stop]
    why: list[str] = Field(description="what was looked at, in order")


class UsageAsk(Model):
    """Whose calls, since when."""

    agent: str | None = Field(default=None, max_length=100, description="agent (id or name); default: all one may see")
    days: int = Field(default=30, ge=1, le=3660, description="calls begun in so many days")


class UsageLine(Model):
    """What calls to one model came to, by the provider's own figures."""

    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float
    unpriced: int = Field(description="calls without a known price")
    estimated: int = Field(description="calls that were counted by their upper bound")


class ModelUsage(Model):
    """What was used, the dearest first."""

    lines: list[UsageLine]
    cost_usd: float
