"""Rows of the model room. No key is ever in one."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class ModelSettingRow(SQLModel, table=True):
    """Something a person configured."""

    __tablename__ = "model_setting"

    user: str = Field(primary_key=True)
    org: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)  # provider, price, rules, trace
    name: str = Field(primary_key=True)  # the provider; provider/model; "" for rules; the agent
    value: str = Field(sa_type=Text)  # JSON
    updated_at: str
    updated_by: str
