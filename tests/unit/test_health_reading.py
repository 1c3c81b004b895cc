"""The path of a health check is that of a route, with the prefixes it is included under, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.apps.health_reading import health_of
from provision.apps.project_files import ProjectFiles


def found(folder: Path, files: dict[str, str]) -> tuple[str, str]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return health_of(ProjectFiles(folder, list(files)))


FASTAPI = "from fastapi import APIRouter, FastAPI\n"


@pytest.mark.parametrize(
    ("files", "path"),
    [
        pytest.param(
            {"shop/urls.py": 'urlpatterns = [path("healthz/", ok), path("admin/", admin)]'},
            "/healthz/",
            id="django",
        ),
        pytest.param(
            {
                "site/shop/urls.py": 'urlpatterns = [re_path(r"^api/", include(("core.urls", "core")))]',
                "site/core/urls.py": 'urlpatterns = [re_path(r"^health/?$", ok)]',
            },
            "/api/health",
            id="django, included",
        ),
        pytest.param(
            {
                "app/main.py": FASTAPI
                + "from app.api import router\nfrom app.config import settings\n"
                + "app = FastAPI()\napp.include_router(router, prefix=settings.API_V1)",
                "app/config.py": 'class Settings:\n    API_V1: str = "/api/v1"\nsettings = Settings()',
                "app/api.py": FASTAPI + 'router = APIRouter()\n@router.get("/health")\ndef health(): ...',
            },
            "/api/v1/health",
            id="a prefix by its name",
        ),
        pytest.param(
            {
                "shop/settings.py": 'APPS = ["health_check"]',
                "shop/urls.py": 'path("healthz/", include("health_check.urls"))',
            },
            "/healthz/",
            id="an application of that name",
        ),
        pytest.param(
            {
                "app.py": '@app.route("/health")\ndef health(): ...\n@app.get("/api/v1/health")\ndef other(): ...'
            },
            "/health",
            id="flask, the shortest",
        ),
        pytest.param(
            {
                "app.py": 'bp = Blueprint("ops", __name__, url_prefix="/ops")\n@bp.route("/livez")\ndef live(): ...'
            },
            "/ops/livez",
            id="flask, a blueprint",
        ),
        pytest.param(
            {
                "app/main.py": "from app.routers import health\napp = FastAPI()\n"
                'app.include_router(health.router, prefix="/api")\n',
                "app/routers/health.py": FASTAPI
                + 'router = APIRouter(prefix="/ops")\n@router.get("/healthz")\nasync def ok(): ...',
            },
            "/api/ops/healthz",
            id="fastapi, a module's router",
        ),
        pytest.param(
            {
                "app/main.py": "from .routers.health import router as ops\n"
                'app.include_router(ops, prefix="/api")\n',
                "app/routers/health.py": FASTAPI
                + 'router = APIRouter()\n@router.get("/healthz")\nasync def ok(): ...',
            },
            "/api/healthz",
            id="fastapi, a router by another name",
        ),
        pytest.param(
            {
                "app/main.py": "from app.routers import health\n"
                "app.include_router(health.router, prefix=settings.API)\n",
                "app/routers/health.py": FASTAPI
                + 'router = APIRouter()\n@router.get("/healthz")\nasync def ok(): ...',
            },
            "",
            id="fastapi, a prefix that the code computes",
        ),
        pytest.param({"app.py": 'routes = [Route("/readyz", ready)]'}, "/readyz", id="starlette"),
        pytest.param({"app.py": 'app.add_routes([web.get("/health", ok)])'}, "/health", id="aiohttp"),
        pytest.param({"app.py": 'Application([(r"/healthcheck", Health)])'}, "/healthcheck", id="tornado"),
        pytest.param(
            {"app.py": 'requests.get("http://127.0.0.1:9200/_cluster/health")'}, "", id="another server's"
        ),
        pytest.param({"app.py": 'requests.get("/health")'}, "", id="a request"),
        pytest.param({"app.py": 'reverse("api:health_check")\nurl("x", "health")'}, "", id="a name"),
        pytest.param(
            {"app.py": '@app.get("/users/{id}/health")\ndef of(id): ...'}, "", id="with a parameter"
        ),
    ],
)
def test_a_health_check_is_found_where_the_application_answers_it(
    tmp_path: Path, files: dict[str, str], path: str
) -> None:
    assert found(tmp_path, files)[0] == path


def test_another_service_beside_the_application_has_its_own(tmp_path: Path) -> None:
    files = {
        "shop/wsgi.py": "application = get_wsgi_application()",
        "pictures/main.py": '@app.route("/health")\ndef health(): ...',
        "core/urls.py": 'urlpatterns = [path("status/health/", ok)]',
    }
    assert found(tmp_path, files)[0] == "/health"
    paths = ProjectFiles(tmp_path, list(files))
    assert health_of(paths, "shop/") == ("", "")
    (tmp_path / "shop/urls.py").write_text('urlpatterns = [path("", include("core.urls"))]')
    paths = ProjectFiles(tmp_path, [*files, "shop/urls.py"])
    assert health_of(paths, "shop/") == ("/status/health/", "core/urls.py")


def test_modules_that_include_each_other_end(tmp_path: Path) -> None:
    files = {
        "a/urls.py": 'urlpatterns = [path("b/", include("b.urls")), path("health", ok)]',
        "b/urls.py": 'urlpatterns = [path("a/", include("a.urls"))]',
    }
    assert found(tmp_path, files) == ("", "")
