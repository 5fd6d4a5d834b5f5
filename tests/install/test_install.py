"""What `cmake --install` puts down works from there, and the library keeps to itself."""
import os
import subprocess

import pytest

PROGRAM = r"""
#include <ken.h>
#include <stdio.h>
#include <string.h>

/* Names that ken uses inside: a user's program may have its own. */
int error_set(void) { return 1; }
int arena_alloc(void) { return 2; }
int model_load(void) { return 3; }

int main(int n, char **args) {
    ken_model *model = NULL;
    ken_session *session = NULL;
    ken_error err;
    if (ken_model_load(args[1], NULL, &model, &err) != KEN_OK ||
        ken_session_new(model, NULL, &session, &err) != KEN_OK) {
        fprintf(stderr, "%s\n", err.message);
        return ken_status_exit_code(err.status);
    }
    float photo[256], dress[256], hat[256];
    if (ken_session_encode_file(session, args[2], photo, &err) != KEN_OK ||
        ken_session_encode_text(session, "a photo of a dress", dress, NULL, &err) != KEN_OK ||
        ken_session_encode_text(session, "a photo of a hat", hat, NULL, &err) != KEN_OK) {
        fprintf(stderr, "%s\n", err.message);
        return ken_status_exit_code(err.status);
    }
    printf("%.6f %.6f %d\n", ken_dot(photo, photo, 256), ken_dot(dress, hat, 256),
           error_set() + arena_alloc() + model_load() + (n == 3));
    ken_session_free(session);
    ken_model_free(model);
    return 0;
}
"""


@pytest.fixture(scope="module")
def prefix(build, tmp_path_factory):
    target = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", build, "--prefix", target], check=True,
                   stdout=subprocess.DEVNULL)
    return target


def libdir(prefix):
    return next(path.parent for path in prefix.rglob("libken.a"))


def compile_and_run(prefix, tmp_path, root, flags, environment):
    source = tmp_path / "program.c"
    source.write_text(PROGRAM)
    program = tmp_path / "program"
    subprocess.run(["gcc", "-Wall", "-Werror", source, "-o", program, "-I", prefix / "include",
                    *flags], check=True)
    photo = sorted((root / "examples/photos/dress").glob("*.jpg"))[0]
    result = subprocess.run([program, root / "models/demo", photo], capture_output=True, text=True,
                            env={**os.environ, **environment})
    assert result.returncode == 0, result.stderr
    norm, similarity, own = result.stdout.split()
    assert abs(float(norm) - 1) < 1e-5
    assert float(similarity) < 0.999
    assert own == "7"


def test_shared_library(prefix, tmp_path, root):
    lib = libdir(prefix)
    compile_and_run(prefix, tmp_path, root, ["-L", lib, "-lken"], {"LD_LIBRARY_PATH": str(lib)})


def test_static_library(prefix, tmp_path, root):
    lib = libdir(prefix)
    environment = {**os.environ, "PKG_CONFIG_PATH": str(lib / "pkgconfig")}
    flags = subprocess.run(["pkg-config", "--static", "--libs", "ken"], env=environment, check=True,
                           capture_output=True, text=True).stdout.split()
    flags = [str(lib / "libken.a") if flag == "-lken" else flag for flag in flags]
    compile_and_run(prefix, tmp_path, root, flags, {})


@pytest.mark.parametrize("name", ["libken.so", "libken.a"])
def test_only_ken_symbols_are_exported(prefix, name):
    options = ["-D"] if name.endswith(".so") else ["-g"]
    symbols = subprocess.run(["nm", *options, "--defined-only", libdir(prefix) / name], check=True,
                             capture_output=True, text=True).stdout
    names = [line.split()[-1] for line in symbols.splitlines() if len(line.split()) == 3]
    assert "ken_model_load" in names
    assert [name for name in names if not name.startswith("ken_")] == []


def test_hardening(build):
    headers = subprocess.run(["readelf", "-W", "-l", "-d", build / "ken"], check=True,
                             capture_output=True, text=True).stdout
    assert "GNU_RELRO" in headers and "BIND_NOW" in headers
    assert "Elf file type is DYN" in headers
    assert "GNU_STACK" in headers and "RWE" not in headers


def test_the_installed_program_finds_its_model_and_pages(prefix, tmp_path):
    ken = prefix / "bin/ken"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    version = subprocess.run([ken, "--version"], env=environment, capture_output=True, text=True)
    assert "duckdb v1.4.4" in version.stdout
    tokens = subprocess.run([ken, "tokenize", "--model", "demo", "x"], env=environment,
                            capture_output=True, text=True)
    assert tokens.returncode == 0, tokens.stderr
    pages = sorted(path.name for path in (prefix / "share/man/man1").iterdir())
    assert "ken.1" in pages and "ken-embed.1" in pages
    assert (prefix / "share/bash-completion/completions/ken").exists()
    assert (prefix / "share/ken/models/demo/open_clip_config.json").exists()
