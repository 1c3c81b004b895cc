const list = document.getElementById("pictures");

async function show(options) {
  const answer = await fetch("/api/pictures/", options);
  const { pictures } = await answer.json();
  list.replaceChildren(...pictures.map(({ url, sha256 }) => {
    const item = document.createElement("li");
    item.textContent = `${url} ${sha256 || "(the worker is at it)"}`;
    return item;
  }));
}

document.getElementById("file").addEventListener("change", ({ target }) => {
  show({ method: "POST", body: target.files[0] });
});
show();
