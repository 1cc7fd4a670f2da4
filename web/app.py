"""Makes the web application: `gunicorn "web.app:create_app()"`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

from flask import Flask, Request
from werkzeug.middleware.proxy_fix import ProxyFix

from web import about, files, health, metrics, pages, runs, sockets, threads
from web.catalogue import CatalogueReader
from web.doorbell import Doorbell
from web.driver import Driver
from web.figures.figures import Figures
from web.gunicorn_log import QUIET_LOGGERS
from web.http.answers import register_errors
from web.http.bodies import register_drain
from web.http.headers import register_headers
from web.http.logs import register_request_log
from web.http.origins import register_origin_check
from web.identity.identity import Identity
from web.identity.request import find_user, register_identity
from web.ops import views as ops
from web.reaper import Reaper
from web.relay.limits import RelayLimits
from web.relay.relay import Relay
from web.services import EXTENSION, Services
from web.settings import WebSettings
from web.stores.client import connect
from web.stores.files import FileStore
from web.stores.history import EventHistory
from web.stores.runs import RunStore
from web.stores.threads import ThreadStore
from web.tracing import register_traces
from web.webhooks.courier import Courier
from worker.contract.connections import web_share
from worker.contract.log_lines import configure_logs
from worker.contract.lost_errors import catch_lost_errors
from worker.contract.meters import Meters
from worker.contract.trace_export import TraceExport

#: Where gunicorn's hooks find what tells the webhook.
COURIER = "courier"
#: … and what looks for runs that nobody works on.
REAPER = "reaper"
#: … and what stores this process's figures.
FIGURES = "figures"
#: … and what sends traces.
TRACES = "traces"


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Make the application; it connects to nothing before the first request.

    Args:
        environ: None takes the process's own, and makes this process log as all others do.

    Raises:
        SettingsError: With everything that is wrong with the environment.
    """
    is_own = environ is None
    environ = os.environ if environ is None else environ
    settings = WebSettings.from_env(environ)
    if is_own:
        configure_logs(level=settings.log_level, quiet=QUIET_LOGGERS)
        catch_lost_errors()
    process = f"web_{secrets.token_hex(8)}"
    services = make_services(settings, process)
    app = Flask("web")
    app.extensions[EXTENSION] = services
    app.extensions[COURIER] = Courier(settings, meter=services.meters)
    sweep = settings.reaping.sweep(process, retention_ms=settings.retention_ms, meter=services.meters)
    app.extensions[REAPER] = Reaper(services.driver, sweep)
    app.extensions[TRACES] = TraceExport("outloud-web", environ)
    _trust_proxies(app, settings.trusted_proxies)
    register_errors(app)
    app.extensions[FIGURES] = services.figures
    register_request_log(app, services.meters)
    register_traces(app)
    register_drain(app)
    register_origin_check(app, settings.origins)
    register_identity(app, services.identity)
    register_headers(app)
    sockets.register(app, services.relay, identify=_identify, allowed_origins=settings.origins)
    for module in (runs, threads, files, about, pages, health, metrics):
        app.register_blueprint(module.blueprint)
    ops.register(app, services)
    return app


def make_services(settings: WebSettings, process: str) -> Services:
    """Make everything that the request handlers work with; `process` is this one's name."""
    meters = Meters()
    share = web_share(settings.redis_connections)
    client = connect(settings.redis_url, connections=share.store)
    doorbell = Doorbell(settings.broker_url, connections=share.doorbell)
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
        relay=Relay(settings.redis_url, limits=RelayLimits(concurrent_reads=share.reads), meters=meters),
        meters=meters,
        figures=Figures(client, process, meters),
    )


def _identify(request: Request) -> sockets.Visitor | None:
    """For the relay's route: who sends the request was found out before the route is reached.

    A handshake hands out no cookie, so a new user would own nothing and never could: that is nobody.
    """
    user = find_user()
    return sockets.Visitor(user.user_id, user.expires_at) if user and not user.is_new else None


def _trust_proxies(app: Flask, count: int) -> None:
    if count:
        # Proxies add addresses to a list, but of scheme and name most send one: the nearest one's word counts.
        fixed = ProxyFix(app.wsgi_app, x_for=count, x_proto=1, x_host=1, x_port=0, x_prefix=0)
        app.wsgi_app = fixed  # type: ignore[method-assign]
