// The Duplicates tab: which one of a group is kept, and what is asked of the server.
(() => {
  const { one, all, cards } = window.anyfind;

  function duplicates(element, trigger) {
    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (!button) return;
      button.disabled = true;
      trigger(button.dataset.do, {});
    });
  }

  function pairs(element, trigger) {
    cards(element);
    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-keep], [data-apart]");
      const group = button?.closest(".group");
      if (!group) return;
      if ("apart" in button.dataset) {
        group.remove();
        return;
      }
      const kept = one("input:checked", group).value;
      for (const other of all("button", group)) other.disabled = true;
      trigger("keep", { ids: group.dataset.ids.split(" ").filter((id) => id !== kept) });
    });
  }

  Object.assign(window.anyfind, { duplicates, pairs });
})();
