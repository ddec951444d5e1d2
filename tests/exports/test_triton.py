"""A model repository's entry: where servers look for files, and a config of their schema."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

import tfzoo
from tfzoo.exports.triton import lay_out
from tfzoo.runtimes.runtime import Signature, TensorInfo

STRING, INT32, INT64, ENUM, MESSAGE = 9, 5, 3, 14, 11


def config_message():
    """`inference.ModelConfig` as far as it is written here, with Triton's own field numbers."""
    file = descriptor_pb2.FileDescriptorProto(name="config.proto", package="inference")
    kinds = file.enum_type.add(name="DataType")
    for name, number in (("TYPE_INVALID", 0), ("TYPE_UINT8", 2), ("TYPE_INT32", 8)):
        kinds.value.add(name=name, number=number)
    kinds.value.add(name="TYPE_FP32", number=11)

    def message(name, *fields):
        one = file.message_type.add(name=name)
        for field, number, kind, label, type_name in fields:
            one.field.add(name=field, number=number, type=kind, label=label, type_name=type_name)

    message("Reshape", ("shape", 1, INT64, 3, None))
    for name, dims in (("Input", 4), ("Output", 3)):
        message(
            name,
            ("name", 1, STRING, 1, None),
            ("data_type", 2, ENUM, 1, ".inference.DataType"),
            ("dims", dims, INT64, 3, None),
            ("reshape", 5, MESSAGE, 1, ".inference.Reshape"),
        )
    message(
        "ModelConfig",
        ("name", 1, STRING, 1, None),
        ("platform", 2, STRING, 1, None),
        ("backend", 17, STRING, 1, None),
        ("max_batch_size", 4, INT32, 1, None),
        ("input", 5, MESSAGE, 3, ".inference.Input"),
        ("output", 6, MESSAGE, 3, ".inference.Output"),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("inference.ModelConfig")
    return message_factory.GetMessageClass(found)()


def test_an_openvino_model_is_laid_out_and_its_config_is_what_the_schema_takes(
    model, folder, tmp_path
) -> None:
    export = tfzoo.export_model(
        model, format="openvino", layout="triton", check=folder, output=tmp_path / "detector"
    )
    files = {str(path.relative_to(export.path)) for path in export.path.rglob("*.*")}
    assert files == {"config.pbtxt", "tfzoo_export.json", "1/model.xml", "1/model.bin"}
    config = config_message()
    text_format.Parse((export.path / "config.pbtxt").read_text(), config)
    assert (config.name, config.backend, config.max_batch_size) == ("detector", "openvino", 0)
    (entry,) = config.input
    assert (entry.name, entry.data_type, list(entry.dims)) == ("image", 11, [1, 64, 64, 3])
    boxes, labels = config.output
    assert (boxes.name, list(boxes.dims)) == ("boxes", [1, -1, 5])
    assert (labels.name, labels.data_type, list(labels.dims)) == ("labels", 8, [1, -1])


def test_of_a_batch_the_first_dimension_is_the_server_s(tmp_path) -> None:
    (tmp_path / "saved_model" / "1").mkdir(parents=True)
    signature = Signature(
        (TensorInfo("input_tensor", "uint8", (None, None, None, 3)),),
        (
            TensorInfo("detection_boxes", "float32", (None, 100, 4)),
            TensorInfo("num_detections", "float32", (None,)),
        ),
    )
    laid = lay_out(tmp_path / "saved_model", 'a "name"', "saved_model", signature)
    assert (laid / "1" / "model.savedmodel").is_dir()
    config = config_message()
    text_format.Parse((laid / "config.pbtxt").read_text(), config)
    assert config.name == 'a "name"' and config.max_batch_size == 8
    assert config.platform == "tensorflow_savedmodel"
    assert list(config.input[0].dims) == [-1, -1, 3]
    boxes, number = config.output
    assert list(boxes.dims) == [100, 4] and not boxes.HasField("reshape")
    assert list(number.dims) == [1] and number.HasField("reshape") and not number.reshape.shape
