const place = new URL(document.body.dataset.socket, location.href.replace(/^http/, "ws"));
const socket = new WebSocket(place);

socket.onmessage = (event) => {
  const line = document.createElement("li");
  line.textContent = JSON.parse(event.data).text;
  document.getElementById("said").append(line);
};

document.getElementById("say").addEventListener("submit", (event) => {
  event.preventDefault();
  socket.send(JSON.stringify({ text: event.target.elements.text.value }));
  event.target.reset();
});
