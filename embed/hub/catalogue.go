package hub

// Entry is a model of the catalogue: one of which an ONNX export is known to exist.
// Fields that nobody was found to state are zero.
type Entry struct {
	Name string `json:"name"`
	// Repository of the hub; empty for a model that has to be fetched by hand from
	// Page and added.
	Repository string `json:"repository,omitempty"`
	Revision   string `json:"revision,omitempty"`
	File       string `json:"file,omitempty"`   // the graph of images
	SHA256     string `json:"sha256,omitempty"` // its digest; empty means that the hub's own is taken
	Dimension  int    `json:"dimension,omitempty"`
	Text       bool   `json:"text"`  // whether a model of text belongs to it
	Gated      bool   `json:"gated"` // whether an account or consent is needed

	Licence      string `json:"licence,omitempty"`
	TrainingData string `json:"training_data,omitempty"`
	Page         string `json:"page,omitempty"`
	Note         string `json:"note,omitempty"`
	// Sources are where the facts above were read.
	Sources []string `json:"sources"`
}

// Lookup returns the entry of that name.
func Lookup(name string) (Entry, bool) {
	for _, e := range Catalogue() {
		if e.Name == name {
			return e, true
		}
	}
	return Entry{}, false
}

const (
	clipLicence = "MIT for OpenAI's CLIP; the hub's page states none for the weights"
	clipData    = "image and caption pairs of websites and of public sets such as YFCC100M, not released"
	clipNote    = "a research output: OpenAI's model card puts any deployed use out of scope"
	clipLicense = "https://github.com/openai/CLIP/blob/main/LICENSE"
	clipCard    = "https://github.com/openai/CLIP/blob/main/model-card.md"
	clipSplit   = "https://github.com/huggingface/transformers.js/pull/227"

	dinoCard = "https://github.com/facebookresearch/dinov2/blob/main/MODEL_CARD.md"
)

// Catalogue returns the models that can be fetched by name, in the order in which
// they are listed.
func Catalogue() []Entry {
	return []Entry{
		{
			Name: "resnet50", Repository: "Qdrant/resnet50-onnx", File: "model.onnx", Dimension: 2048,
			Licence: "Apache-2.0", TrainingData: "ImageNet-1k",
			Page: "https://huggingface.co/Qdrant/resnet50-onnx", Note: "microsoft/resnet-50 without its classifier",
			Sources: []string{
				"https://huggingface.co/Qdrant/resnet50-onnx/tree/main",
				"https://huggingface.co/Qdrant/resnet50-onnx/blame/main/README.md",
				"https://github.com/qdrant/fastembed/blob/main/fastembed/image/onnx_embedding.py",
				"https://huggingface.co/microsoft/resnet-50/commits/5fdf63acda0dd338d3c1736c3050be946e9b51ea",
			},
		},
		clip("clip-vit-b32", "Xenova/clip-vit-base-patch32", "https://github.com/huggingface/transformers.js/pull/650"),
		clip("clip-vit-b16", "Xenova/clip-vit-base-patch16", clipSplit),
		dino("dinov2-small", "onnx-community/dinov2-small", 384),
		dino("dinov2-base", "onnx-community/dinov2-base", 768),
		{
			Name: "medimageinsight", Gated: true, Text: true, Licence: "MIT",
			TrainingData: "medical images and text of many modalities",
			Page:         "https://ai.azure.com/catalog/models/MedImageInsight-onnx",
			Note:         "from Azure's catalogue, with an Azure account: download it there, then nearcase models add",
			Sources: []string{
				"https://ai.azure.com/catalog/models/MedImageInsight-onnx",
				"https://github.com/Azure/azureml-assets/blob/main/assets/models/system/medimageinsight-onnx/spec.yaml",
				"https://github.com/Azure/azureml-assets/blob/main/assets/models/system/medimageinsight-onnx/description.md",
			},
		},
	}
}

func clip(name, repository, dimension string) Entry {
	return Entry{
		Name: name, Repository: repository, File: "onnx/vision_model.onnx", Dimension: 512, Text: true,
		Licence: clipLicence, TrainingData: clipData, Note: clipNote, Page: Endpoint + "/" + repository,
		Sources: []string{clipLicense, clipCard, clipSplit, dimension},
	}
}

func dino(name, repository string, dimension int) Entry {
	return Entry{
		Name: name, Repository: repository, File: "onnx/model.onnx", Dimension: dimension,
		Licence: "Apache-2.0", TrainingData: "LVD-142M", Note: "DINOv2 of Meta AI", Page: Endpoint + "/" + repository,
		Sources: []string{dinoCard, Endpoint + "/" + repository + "/tree/main"},
	}
}
