"""Settings: `aetherd.toml` < environment < flags, frozen after load. Written once here; docs and doctor read it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from aetherd.core.errors import Invalid

# Named by the public interface, so that they can be set already; what they are for is not built yet.
WITHOUT_EFFECT = ("secret", "registration_open", "node_name", "node_capacity")


class AcpAgent(BaseModel):
    """An agent of the person's own that speaks the Agent Client Protocol: `[acp.NAME]` in aetherd.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: tuple[str, ...] = Field(min_length=1, description="the program and its arguments")
    env: dict[str, str] = Field(
        default={}, description="its environment; {gateway} and {token} are the model gateway's address and key"
    )
    modes: tuple[str, ...] = Field(default=(), description="the first of these session modes that it offers is chosen")


class Settings(BaseSettings):
    """Everything a person can set. Environment names are `AETHER_` plus the field in capitals."""

    model_config = SettingsConfigDict(env_prefix="AETHER_", frozen=True, extra="ignore", validate_default=True)

    home: Path = Field(default=Path("~/.aether"), description="where everything is kept; mode 0700")
    host: str = Field(default="127.0.0.1", description="address the HTTP face binds; loopback only for now")
    port: int = Field(default=3001, ge=0, le=65535, description="port of the HTTP face; 0 takes a free one")
    secret: SecretStr | None = Field(
        default=None, description="no effect yet: sessions are random and kept hashed, so nothing is signed"
    )
    database_url: str | None = Field(default=None, description="default is the SQLite file of the home")
    registration_open: bool = Field(
        default=False, description="no effect yet: whether strangers may create accounts; there are none"
    )
    log_level: str = Field(default="info", description="debug, info, warning or error")
    cluster_url: str | None = Field(default=None, description="NATS address; clustering is not built yet")
    node_name: str | None = Field(default=None, description="no effect yet: name of this node in a cluster")
    node_capacity: int | None = Field(
        default=None, description="no effect yet: how many agents this node takes in a cluster"
    )
    max_running: int = Field(default=32, ge=1, le=1000, description="processes that run at once; more are queued")
    approval_wait_s: float = Field(
        default=20, ge=0, le=60, description="how long a call waits for a person before it answers pending_approval"
    )
    approval_ttl_s: float = Field(default=86_400, gt=0, description="after this an undecided approval expires")
    control_ttl_s: float = Field(
        default=600, gt=0, description="a takeover lease lives this long without a sign of its holder"
    )
    idle_exit_s: float = Field(
        default=1800, ge=0, description="a run that finished its goal ends after this idle time; 0 keeps it for ever"
    )
    checkpoints: bool = Field(
        default=True, description="keep a snapshot of an agent after each turn that changed its files"
    )
    checkpoint_keep: int = Field(default=10, ge=1, le=1000, description="automatic snapshots kept of an agent")
    checkpoint_days: float = Field(default=14, gt=0, description="and for how long; those people made stay")
    snapshot_mb: int = Field(default=20_480, ge=1, le=1 << 30, description="most that the files of a snapshot may hold")
    event_retention: int = Field(
        default=2_000_000, ge=1000, description="events kept in the log; older ones are removed in chunks"
    )
    output_days: float = Field(
        default=7, gt=0, description="what ended processes printed is kept this long; their events stay"
    )
    agent_uid_base: int = Field(
        default=20_000, ge=1000, description="first uid given to agents when the daemon is root"
    )
    reflection: Literal["off", "builtin", "all"] = Field(
        default="builtin",
        description="which runs are asked in their start prompt to look back at their end: none, those of the runtime "
        "builtin, or all; it costs a few words and one tool call, never a run of its own",
    )
    mcp_loop: Literal["lean", "sdk"] = Field(
        default="lean", description="what serves MCP on the unix sockets: our own loop, or the MCP SDK's as a fallback"
    )
    network: str = Field(
        default="all",
        description="what agents in a sandbox reach when nobody says: all (public addresses), none, or rules with "
        "commas between them, as network.set_policy takes them",
    )
    private_network: bool = Field(
        default=False, description="let http steps of skills reach this machine and its network, not only the internet"
    )
    embedder: Literal["openai", "gemini"] | None = Field(
        default=None,
        description="find memories by meaning, too: openai (any server with /embeddings) or gemini; needs the extra "
        "`vectors`. Contents of memories are sent there; without it nothing is, and full text alone is searched",
    )
    embedder_url: str | None = Field(
        default=None, description="where it is, up to /v1 or /v1beta; default: the maker's"
    )
    embedder_model: str | None = Field(
        default=None, description="default text-embedding-3-small or gemini-embedding-001; another one embeds anew"
    )
    embedder_key: SecretStr | None = Field(default=None, description="its API key; better in a file")
    embedder_key_file: Path | None = Field(default=None, description="file that holds its API key; read for each use")
    sandbox: Literal["auto", "docker", "bwrap", "host"] = Field(
        default="auto",
        description="where runs stand that name no tier: auto takes bwrap, else docker, and where neither works "
        "starts none; host has no walls but a uid of its own",
    )
    docker_host: str = Field(
        default="unix:///var/run/docker.sock", description="socket of the Docker engine for sandboxes; empty: use none"
    )
    acp: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,29}$")], AcpAgent] = Field(
        default={}, description="agents of your own that speak ACP, as runtimes acp:NAME: command, env, modes"
    )
    otel_endpoint: str | None = Field(
        default=None,
        description="send traces here by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; needs the extra "
        "`otel`. They hold names, times and counts, no contents",
    )
    claude_path: Path | None = Field(default=None, description="the claude binary; default: extra `claude`, then PATH")

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("host", mode="after")
    @classmethod
    def _loopback(cls, value: str) -> str:
        if value not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("only loopback is served until TLS lands; use an SSH tunnel or a reverse proxy")
        return value

    @field_validator("docker_host", mode="after")
    @classmethod
    def _local_engine(cls, value: str) -> str:
        if value and not value.startswith("unix:///"):
            raise ValueError("it is unix:///PATH, as sandboxes are entered on this machine; or empty")
        return value

    @field_validator("log_level", mode="after")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("it is debug, info, warning or error")
        return value.lower()

    @field_validator("database_url", mode="after")
    @classmethod
    def _sqlite(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("sqlite:///"):
            raise ValueError("only sqlite:///PATH is supported yet; leave AETHER_DATABASE_URL unset for the default")
        return value

    @field_validator("cluster_url", mode="after")
    @classmethod
    def _no_cluster(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("clustering is not built yet; unset AETHER_CLUSTER_URL")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags first, then the environment; the file is merged in `load`."""
        return init_settings, env_settings

    @property
    def without_effect(self) -> list[str]:
        """Name what was set and does nothing yet, for whoever set it."""
        return [name for name in WITHOUT_EFFECT if name in self.model_fields_set]

    @property
    def database(self) -> Path:
        """The SQLite file."""
        if self.database_url is None:
            return self.home / "aether.db"
        return Path(self.database_url.removeprefix("sqlite:///")).absolute()

    @property
    def run_dir(self) -> Path:
        """Sockets and the pid file."""
        return self.home / "run"


def load(**flags: Any) -> Settings:
    """Read the settings once; a wrong one is `Invalid` and says which and why."""
    given = {key: value for key, value in flags.items() if value is not None}
    try:
        first = Settings(**given)
        file = first.home / "aetherd.toml"
        if not file.exists():
            return first
        try:
            written = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            raise Invalid(f"{file} is not valid TOML: {exc}") from exc
        if unknown := set(written) - set(Settings.model_fields):
            raise Invalid(f"{file}: unknown setting {sorted(unknown)[0]!r}", unknown=sorted(unknown))
        # The file is the weakest source: whatever environment or flags set explicitly wins.
        return Settings(**{**written, **first.model_dump(include=first.model_fields_set)})
    except ValidationError as exc:
        problem = exc.errors(include_url=False)[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise Invalid(f"setting {name}: {problem['msg'].removeprefix('Value error, ')}") from exc
