"""Rows of the gpu room."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class GpuRow(SQLModel, table=True):
    """A GPU that a process has. The device is the key, so the database itself gives none out twice."""

    __tablename__ = "gpu_allocation"

    device: str = Field(primary_key=True)  # uuid
    pid: int = Field(index=True)
    agent: str
    user: str
    org: str
    at: str
