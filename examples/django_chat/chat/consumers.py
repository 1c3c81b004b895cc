from channels.generic.websocket import AsyncJsonWebsocketConsumer


class RoomConsumer(AsyncJsonWebsocketConsumer):
    """One visitor of a room: what is said there goes to all in it, the speaker as well."""

    async def connect(self):
        self.room = f"room.{self.scope['url_route']['kwargs']['room']}"
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive_json(self, content):
        text = str(content.get("text", ""))[:500]
        await self.channel_layer.group_send(self.room, {"type": "said", "text": text})

    async def said(self, event):
        await self.send_json({"text": event["text"]})
