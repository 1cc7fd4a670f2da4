"""Makes the web application: `gunicorn "web.app:create_app()"`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

from flask import Flask, Request
from werkzeug.middleware.proxy_fix import ProxyFix

from web import about, files, health, metrics, pages, runs, sockets, threads
from web.answers import register_errors
from web.bodies import register_drain
from web.catalogue import CatalogueReader
from web.courier import Courier
from web.doorbell import Doorbell
from web.driver import Driver
from web.file_store import FileStore
from web.headers import register_headers
from web.history import EventHistory
from web.identity import Identity, find_user, register_identity
from web.logs import register_request_log
from web.origins import register_origin_check
from web.reaper import Reaper
from web.relay.relay import Relay
from web.run_store import RunStore
from web.services import EXTENSION, Services
from web.settings import WebSettings
from web.store import connect
from web.thread_store import ThreadStore
from worker.contract.log_lines import configure_logs

#: Where gunicorn's hooks find what tells the webhook.
COURIER = "courier"
#: … and what looks for runs that nobody works on.
REAPER = "reaper"
#: They would log a webhook's address, which may hold a token.
_QUIET_LOGGERS = ("httpx2", "httpcore2")


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Make the application; it connects to nothing before the first request.

    Args:
        environ: None takes the process's own, and makes this process log as all others do.

    Raises:
        SettingsError: With everything that is wrong with the environment.
    """
    if environ is None:
        environ = os.environ
        configure_logs(quiet=_QUIET_LOGGERS)
    settings = WebSettings.from_env(environ)
    services = make_services(settings)
    app = Flask("web")
    app.extensions[EXTENSION] = services
    app.extensions[COURIER] = Courier(settings)
    sweep = settings.reaping.sweep(f"web_{secrets.token_hex(8)}", retention_ms=settings.retention_ms)
    app.extensions[REAPER] = Reaper(services.driver, sweep)
    _trust_proxies(app, settings.trusted_proxies)
    register_errors(app)
    register_request_log(app)
    register_drain(app)
    register_origin_check(app, settings.origins)
    register_identity(app, services.identity)
    register_headers(app)
    sockets.register(app, services.relay, identify=_identify, allowed_origins=settings.origins)
    for module in (runs, threads, files, about, pages, health, metrics):
        app.register_blueprint(module.blueprint)
    return app


def make_services(settings: WebSettings) -> Services:
    """Make everything that the request handlers work with."""
    client = connect(settings.redis_url)
    doorbell = Doorbell(settings.redis_url)
    return Services(
        settings=settings,
        redis=client,
        identity=Identity(settings),
        catalogue=CatalogueReader(client),
        runs=RunStore(client, retention_ms=settings.retention_ms),
        history=EventHistory(client),
        threads=ThreadStore(client, retention_ms=settings.retention_ms),
        files=FileStore(client, life_ms=settings.file_retention_ms, max_bytes=settings.max_user_files_bytes),
        doorbell=doorbell,
        driver=Driver(client, doorbell),
        relay=Relay(settings.redis_url),
    )


def _identify(request: Request) -> str | None:
    """For the relay's route: who sends the request was found out before the route is reached.

    A handshake hands out no cookie, so a new user would own nothing and never could: that is nobody.
    """
    user = find_user()
    return user.user_id if user and not user.is_new else None


def _trust_proxies(app: Flask, count: int) -> None:
    if count:
        fixed = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_port=0, x_prefix=0)
        app.wsgi_app = fixed  # type: ignore[method-assign]
