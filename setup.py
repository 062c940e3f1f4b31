"""The native engine, built where a C++ compiler is and left out where none is; all else stands in pyproject.toml."""

from setuptools import Extension, setup

# Hoisting constants out of the engine's loop only fills registers that the loop needs.
FLAGS = ["-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-gcse", "-Wno-psabi"]
FLAGS += ["-fno-tree-loop-im", "-fno-tree-slp-vectorize"]

setup(
    ext_modules=[
        Extension(
            "nksim.kinetics._native",
            sources=["nksim/kinetics/native/engine.cpp"],
            depends=[
                "nksim/kinetics/native/curves.inc",
                "nksim/kinetics/native/lanes.inc",
                "nksim/kinetics/native/model.inc",
                "nksim/kinetics/native/reading.inc",
            ],
            extra_compile_args=FLAGS,
            optional=True,
        )
    ]
)
