// Addresses are relative to the page, so that the application can be served below any prefix.
const events = new EventSource("events");
events.onmessage = (event) => {
  document.getElementById("events").value = event.data;
  if (event.data === "10") events.close();
};

const socket = new WebSocket(new URL("echo", location.href.replace(/^http/, "ws")));
socket.onmessage = (event) => {
  document.getElementById("answer").value = event.data;
};

document.getElementById("echo").addEventListener("submit", (event) => {
  event.preventDefault();
  socket.send(event.target.elements.text.value);
  event.target.reset();
});
