"""Notes in a database, asynchronously. DATABASE_URL in the environment says in which one."""

import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from notes.tables import Note

engine = create_async_engine(os.environ["DATABASE_URL"], pool_pre_ping=True)
sessions = async_sessionmaker(engine)
app = FastAPI(title="Notes")


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as found:
        yield found


Session = Annotated[AsyncSession, Depends(session)]


class Text(BaseModel):
    text: str


@app.get("/")
async def notes(session: Session) -> list[str]:
    return list(await session.scalars(select(Note.text).order_by(Note.id)))


@app.post("/", status_code=201)
async def note(new: Text, session: Session) -> None:
    session.add(Note(text=new.text))
    await session.commit()


@app.get("/healthz")
async def healthz(session: Session) -> str:
    await session.execute(text("SELECT 1"))
    return "ok"
