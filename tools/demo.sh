#!/usr/bin/env bash
# The main job from end to end: demo.sh OUT [DATA]. Without DATA the package makes a cohort: no download, no patients.
# TASK is patches (histology, the default), mri (five co-registered sequences) or slides (whole slides with small lesions).
# PREPARE holds further options of `prepare`, such as "--label cell_type".
# TRAIN holds further options of the bundle's commands, such as "--preset tiny --image_size 224 --crop_size 224".
# EPOCHS (default 40, of mri 15, of slides 20) sets how long it trains. What this version trained in the same way on the same data is not trained
# again. A TRAIN with "--memory_layers []" trains a plain ViT: then there is nothing to distil and no past case to consult. Slides are
# trained without a memory. DATA for slides is a folder with slides/ and labels.csv (slide, label, perhaps patient and split).
set -euo pipefail
out=$1 data=${2:-}
python=${PYTHON:-.venv/bin/python}
task=${TASK:-patches}
case $task in
patches)
    what="H&E-like patches" simulated=simulated.npz size=() bundle=bundles/histology_patch_classification
    epochs=${EPOCHS:-40}
    ;;
mri)
    what="studies of five MRI sequences" simulated=simulated bundle=bundles/glioma_mri_classification
    size=(--patients 25 --format dicom --missing 0.1)
    epochs=${EPOCHS:-15}
    TRAIN="--image_size 64 --patch_size 8 ${TRAIN:-}"
    [ -n "$data" ] || PREPARE="--size 128 --spacing 2 --empty-tumour-mask normal ${PREPARE:-}"
    ;;
slides)
    what="whole slides, half of them with a lesion of 1 %" simulated=simulated bundle=bundles/slide_classification
    size=(--patients 80)
    epochs=${EPOCHS:-20}
    [ -n "$data" ] || PREPARE="--class-names normal,tumour --mpp-target 2 --tile 32 ${PREPARE:-}"
    ;;
*)
    echo "TASK=$task is unknown: take patches, mri or slides" >&2
    exit 2
    ;;
esac

mkdir -p "$out"
out=$(cd "$out" && pwd)

say() { printf '\n== %s\n' "$*"; }
bundle_run() { # configs (a file, or a list laid over each other), then further options
    local configs=$1
    shift
    # shellcheck disable=SC2086
    "$python" -m monai.bundle run --config_file "$configs" --bundle_root "$bundle" --dataset_dir "$out/data" \
        --output_dir "$out/results" "$@" ${TRAIN:-}
}
over_train() { # a config laid over train.yaml, then further options
    local config=$1
    shift
    bundle_run "['$bundle/configs/train.yaml','$bundle/configs/$config']" --model_dir "$out/models" "$@"
}
has_memory() { [ "$task" != slides ] && [[ " ${TRAIN:-} " != *" --memory_layers [] "* ]]; }

if [ -z "$data" ]; then
    say "1/6 simulate $what (simulated: the figures below say nothing about patients)"
    data=$out/$simulated
    [ -e "$data" ] || "$python" -m monai_memvit simulate "$task" "$data" "${size[@]}"
    if [ -d "$data/sub-0025" ]; then # kept back, as a new patient for step 6
        mkdir -p "$out/new_patient"
        mv "$data/sub-0025" "$out/new_patient/"
    fi
    if [ -e "$data/slides/sim-0080-1.tif" ]; then # likewise, and out of the labels
        mkdir -p "$out/new_patient"
        mv "$data/slides/sim-0080-1.tif" "$out/new_patient/"
        sed -i '/^sim-0080-1/d' "$data/labels.csv"
    fi
fi
source=$data
if [ "$task" = slides ]; then
    source=$data/slides PREPARE="--labels $data/labels.csv ${PREPARE:-}"
fi

say "2/6 prepare $data"
# 3 says: done, some images or cases are broken and left out; it has named them.
# shellcheck disable=SC2086
"$python" -m monai_memvit prepare "$task" "$source" "$out/data" ${PREPARE:-} || [ $? = 3 ]
fingerprint=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["fingerprint"])' "$out/data/datalist.json")
version="$("$python" -m monai_memvit --version) $(git describe --always --dirty 2>/dev/null || true)"
training="$version $fingerprint $epochs ${TRAIN:-} $(find "$bundle/configs" -name train.yaml -o -name distil.yaml | sort | xargs cat | sha256sum)"

if [ "$(cat "$out/trained_on" 2>/dev/null)" = "$training" ]; then
    say "3/6 and 4/6 done before, in this very way on this very data (remove $out/trained_on to train again)"
else
    rm -f "$out/trained_on"
    say "3/6 train"
    rate=(--learning_rate 0.001)
    [ "$task" != slides ] || rate=()
    bundle_run "$bundle/configs/train.yaml" --model_dir "$out/models" --max_epochs "$epochs" "${rate[@]}"
    if has_memory; then
        say "4/6 distil the memory into prototypes"
        over_train distil.yaml
    fi
    echo "$training" > "$out/trained_on"
fi

say "5/6 evaluate on the test cases"
over_train evaluate.yaml
if has_memory; then
    say "6/6 infer, with the past cases consulted"
    new=()
    [ ! -d "$out/new_patient" ] || new=(--study "$out/new_patient")
    bundle_run "$bundle/configs/inference.yaml" --checkpoint "$out/models/model_refreshed.pt" "${new[@]}"
fi

if [ "$task" = slides ]; then
    say "6/6 infer, with heatmaps"
    new=()
    [ ! -d "$out/new_patient" ] || new=(--slides "$out/new_patient")
    bundle_run "$bundle/configs/inference.yaml" --checkpoint "$out/models/model.pt" "${new[@]}"
fi

say "results"
"$python" - "$out/results/evaluation/metrics.json" <<'END'
import json, sys

for name, value in json.load(open(sys.argv[1])).items():
    if isinstance(value, (int, float)):
        print(f"  {name:<32} {value:8.3f}")
END
cat <<END

Where to look
  what was prepared, and what was left out   $out/data/$(case $task in mri) echo "report.md, quality.html" ;; slides) echo report.md ;; *) echo report.json ;; esac)
  figures and pictures                       $out/results/evaluation
$(has_memory && echo "  cases beside the past cases consulted      $out/results/inference/evidence.png
  their probabilities, and more of these     $out/results/inference/predictions.csv")
$([ "$task" != slides ] || echo "  where in a new slide the evidence lies     $out/results/inference/heatmaps")
  networks with their memory                 $out/models
  runs in MLflow                             $(dirname "$python")/mlflow ui --backend-store-uri sqlite:///$out/results/mlruns.db
END
