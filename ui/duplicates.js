// The Duplicates tab: which one of a group is kept, and what is asked of the server.
(() => {
  const { one, all, cards } = window.anyfind;
  const KEPT = "anyfind-apart"; // groups that are none, in the browser's session

  const name = (group) => group.dataset.ids.split(" ").sort().join(" ");
  const load = () => {
    try {
      return JSON.parse(sessionStorage.getItem(KEPT)) || [];
    } catch {
      return [];
    }
  };
  const apart = new Set(load());
  const dismiss = (group) => {
    apart.add(name(group));
    try {
      sessionStorage.setItem(KEPT, JSON.stringify([...apart]));
    } catch {
      // a browser that keeps nothing: then they last as long as the page
    }
  };

  function duplicates(element, trigger) {
    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (!button) return;
      button.disabled = true;
      trigger(button.dataset.do, {});
    });
  }

  function pairs(element, trigger, watch) {
    cards(element);
    const hide = () => {
      for (const group of all(".group", element)) if (apart.has(name(group))) group.remove();
    };
    hide();
    watch("value", hide);
    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-keep], [data-apart]");
      const group = button?.closest(".group");
      if (!group) return;
      if ("apart" in button.dataset) {
        dismiss(group);
        hide();
        return;
      }
      const kept = one("input:checked", group).value;
      for (const other of all("button", group)) other.disabled = true;
      trigger("keep", { ids: group.dataset.ids.split(" ").filter((id) => id !== kept) });
    });
  }

  Object.assign(window.anyfind, { duplicates, pairs });
})();
