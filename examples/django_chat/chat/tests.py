import json

from channels.testing import ApplicationCommunicator, WebsocketCommunicator
from chat_site.asgi import application
from django.test import SimpleTestCase, override_settings


def visitor(room: str, origin: str = "https://testserver") -> ApplicationCommunicator:
    return WebsocketCommunicator(application, f"/ws/{room}/", headers=[(b"origin", origin.encode())])


@override_settings(ALLOWED_HOSTS=["testserver"])
class ChatTests(SimpleTestCase):
    async def test_what_is_said_goes_to_all_in_the_room(self):
        one, two, elsewhere = visitor("lobby"), visitor("lobby"), visitor("kitchen")
        for each in (one, two, elsewhere):
            connected, _ = await each.connect()
            self.assertTrue(connected)
        await one.send_json_to({"text": "hello"})
        for each in (one, two):
            self.assertEqual(await each.receive_json_from(), {"text": "hello"})
        self.assertTrue(await elsewhere.receive_nothing())
        for each in (one, two, elsewhere):
            await each.disconnect()

    async def test_other_sites_may_not_connect(self):
        connected, _ = await visitor("lobby", origin="https://evil.example").connect()
        self.assertFalse(connected)

    def test_pages(self):
        self.assertContains(self.client.get("/rooms/kitchen/", secure=True), "<h1>kitchen</h1>")
        self.assertEqual(self.client.get("/healthz").content, b"ok")
        seen = json.loads(self.client.get("/whoami", secure=True).content)
        self.assertEqual(seen, {"client": "127.0.0.1", "scheme": "https", "host": "testserver"})
