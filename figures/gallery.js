// The filter box, and buttons that copy a command. Without this script the page shows all.
const filter = document.querySelector(".filter"), box = filter.querySelector("input");
const sections = [...document.querySelectorAll("main section")];

function show() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const section of sections) {
    const text = `${section.id} ${section.textContent}`.toLowerCase();
    const hit = words.every(word => text.includes(word));
    section.hidden = !hit;
    document.querySelector(`nav a[href="#${section.id}"]`).parentElement.hidden = !hit;
    found += hit;
  }
  for (const group of document.querySelectorAll("nav .group, main .group"))
    group.hidden = !group.querySelector("li:not([hidden]), section:not([hidden])");
  filter.querySelector("output").textContent = words.length ? `${found} of ${sections.length}` : "";
}

filter.hidden = false;
box.addEventListener("input", show);
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
}
