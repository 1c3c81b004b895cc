import json

from asgiref.testing import ApplicationCommunicator
from chat_site.asgi import application
from django.test import SimpleTestCase, override_settings


class Visitor(ApplicationCommunicator):
    """A WebSocket in a room. channels.testing has the like, but needs daphne."""

    def __init__(self, room: str, origin: str = "https://testserver"):
        headers = [(b"origin", origin.encode())]
        super().__init__(application, {"type": "websocket", "path": f"/ws/{room}/", "headers": headers})

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return (await self.receive_output())["type"] == "websocket.accept"

    async def say(self, text: str):
        await self.send_input({"type": "websocket.receive", "text": json.dumps({"text": text})})

    async def hear(self) -> str:
        return json.loads((await self.receive_output())["text"])["text"]

    async def leave(self):
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait()


@override_settings(ALLOWED_HOSTS=["testserver"])
class ChatTests(SimpleTestCase):
    async def test_what_is_said_goes_to_all_in_the_room(self):
        one, two, elsewhere = Visitor("lobby"), Visitor("lobby"), Visitor("kitchen")
        for each in (one, two, elsewhere):
            self.assertTrue(await each.connect())
        await one.say("hello")
        self.assertEqual([await one.hear(), await two.hear()], ["hello", "hello"])
        self.assertTrue(await elsewhere.receive_nothing())
        for each in (one, two, elsewhere):
            await each.leave()

    async def test_other_sites_may_not_connect(self):
        visitor = Visitor("lobby", origin="https://evil.example")
        self.assertFalse(await visitor.connect())
        await visitor.wait()

    def test_pages(self):
        self.assertContains(self.client.get("/rooms/kitchen/", secure=True), "<h1>kitchen</h1>")
        self.assertEqual(self.client.get("/healthz").content, b"ok")
        seen = json.loads(self.client.get("/whoami", secure=True).content)
        self.assertEqual(seen, {"client": "127.0.0.1", "scheme": "https", "host": "testserver"})
