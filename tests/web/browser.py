"""Chromium without a window, in a profile of its own, and what tests do with it."""

import os
import shutil
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service as DriverService
from selenium.webdriver.common.by import By

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-dev-shm-usage", "--force-color-profile=srgb", "--lang=en-US")
WAIT_S = 30
STALL_MS_MAX = 1000 # of a page that stays fluent, on a machine that has other work too


class Browser(webdriver.Chrome):
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="ura-browser-", dir="/tmp")
        self.downloads = os.path.join(self.profile, "downloads")
        os.mkdir(self.downloads)
        options = Options()
        for flag in (*FLAGS, f"--user-data-dir={self.profile}/data"):
            options.add_argument(flag)
        options.binary_location = shutil.which("chromium")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        super().__init__(options=options, service=DriverService(shutil.which("chromedriver")))
        self.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": self.downloads})

    def quit(self):
        super().quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def size(self, width, height=900):
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                             {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def scheme(self, name):
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})

    def one(self, selector):
        return self.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        """What an element says, seen or not."""
        return self.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def texts(self, selector):
        return self.execute_script("return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", selector)

    def wait(self, condition, seconds=WAIT_S):
        """Polls until a condition holds; its value."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                value = condition()
            except StaleElementReferenceException:
                value = None
            if value:
                return value
            assert time.monotonic() < deadline, f"waited in vain; the page says:\n{self.text('main')[:1500]}"
            time.sleep(0.03)

    def wait_text(self, selector, words, seconds=WAIT_S):
        return self.wait(lambda: words in self.text(selector) and self.text(selector), seconds)

    def click(self, selector):
        element = self.one(selector)
        self.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def faults(self):
        """What the console has said since it was last asked, but for statuses of calls."""
        return [entry["message"] for entry in self.get_log("browser") if "Failed to load resource" not in entry["message"]]
